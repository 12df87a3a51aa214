"""Whether all that the token embedding does is done through the input of block 0, where its gradient is read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.interaction.stream.residual_stream import read_gradients
from shape_audit.interaction.stream.sites import EMBEDDING, Site
from shape_audit.models import model_faults, model_logits

LOOKED_AT = 16
"""Inputs that `check_embedding_paths` looks at."""
TOLERANCE = 1e-2
"""Relative, of gradients: half precision rounds by as much; a path of its own is no such small thing."""


def token_embedding(model: nn.Module) -> nn.Module | None:
    """The module that turns ids into vectors; None where the model does not say."""
    find: Any = getattr(model, "get_input_embeddings", None)
    found: nn.Module | None = find() if find is not None else None
    return found


def check_embedding_paths(model: nn.Module, blocks: list[nn.Module], ids_L: Tensor) -> None:
    """Refuse the site `embedding` where the embedding reaches the logits past the input of block 0.

    The gradient at the embedding's output must be what the one at the input of block 0 becomes on its way back.

    Raises:
        NotAuditableError: there is another way, by a tensor that is not the input of block 0.
    """
    embedding, fed, gradient = token_embedding(model), [], []
    if embedding is None:
        return
    handle = blocks[0].register_forward_pre_hook(
        lambda module, args, kwargs: fed.append(args[0] if args else kwargs.get("hidden_states")), with_kwargs=True
    )
    try:
        with read_gradients(blocks, [Site(0)], lambda site, grad: gradient.append(grad), embedding=embedding) as leaves:
            logits_BTV = model_logits(model, ids_L[:LOOKED_AT].unsqueeze(0))
            with model_faults(model):
                (whole,) = torch.autograd.grad(logits_BTV.logsumexp(-1).sum(), leaves, retain_graph=True)
        input_BTD = fed[0]
        if not input_BTD.requires_grad or input_BTD.ndim != 3:
            return  # the embedding is not where it comes from; or it is no stream, of which the pass says more
        with model_faults(model):
            (by_the_stream,) = torch.autograd.grad(input_BTD, leaves, gradient[:1])
    finally:
        handle.remove()
    if (whole - by_the_stream).norm() > TOLERANCE * by_the_stream.norm():
        raise NotAuditableError(
            f"{type(model).__name__}: its embedding also enters later blocks, past the input of block 0, so that what "
            f"the site {EMBEDDING} would show is not all that the embedding does; leave it out: --sites block.0,..."
        )
