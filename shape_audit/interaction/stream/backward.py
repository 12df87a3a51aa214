"""One forward of a micro-batch and one backward to its residual stream, for any scalar of the logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.stream.embedding_paths import token_embedding
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.residual_stream import first_site_not_finite, read_gradients
from shape_audit.interaction.stream.sites import Site
from shape_audit.models import model_faults, model_logits, window_losses

Objective = Callable[[Tensor, Tensor], Tensor]
"""(logits (B, T, V), losses (B,)) -> the scalar of each window (B,) whose gradient is taken."""


def add_gradients(
    model: nn.Module,
    blocks: list[nn.Module],
    batch: MicroBatch,
    sums: Mapping[Site, SiteSums],
    objective: Objective,
) -> Tensor:
    """Add every window of a micro-batch to the sums of every site.

    Windows of one micro-batch do not see each other, so the gradient of the summed scalars is each window's own.

    Args:
        objective: whose gradient is taken.

    Returns:
        Losses (B,) in nats, summed over each window's tokens.

    Raises:
        NonFiniteError: a loss is infinite or not a number; the message names the first site that is.
        NotAuditableError: the model does not run its blocks once each on the residual stream.
    """
    reached: list[Site] = []
    shape = batch.inputs_BT.shape

    def receive(site: Site, grad_BTD: Tensor) -> None:
        if grad_BTD.shape != (*shape, sums[site].width):
            raise NotAuditableError(
                f"{type(model).__name__}: unsupported architecture (the residual stream at {site.name} is "
                f"{list(grad_BTD.shape)}, not {[*shape, sums[site].width]})"
            )
        reached.append(site)
        sums[site].add(grad_BTD, batch.first)

    try:
        with read_gradients(blocks, sums, receive, embedding=token_embedding(model)) as leaves:
            logits_BTV = model_logits(model, batch.inputs_BT)
            losses_B = window_losses(logits_BTV, batch.targets_BT)
            scalars_B = objective(logits_BTV, losses_B)
            del logits_BTV  # as large as anything in the backward
            if len(leaves) == 1:
                with model_faults(model):
                    torch.autograd.grad(scalars_B.sum(), leaves)
    except NonFiniteError as error:
        raise located(error, model, blocks, batch.inputs_BT) from error
    if sorted(reached) != sorted(sums):
        raise NotAuditableError(
            f"{type(model).__name__}: unsupported architecture (it does not run each block once on the residual stream)"
        )
    return losses_B.detach()


def located(error: NonFiniteError, model: nn.Module, blocks: list[nn.Module], ids_BT: Tensor) -> NonFiniteError:
    """The same error, with the site from which activations are not finite."""
    site = first_site_not_finite(model, blocks, ids_BT)
    where = f", from site {site.name} on" if site else ""
    return NonFiniteError(f"{error}{where}; the weights are damaged, or --dtype float32 would do")
