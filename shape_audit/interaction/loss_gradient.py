"""Protocol `loss-gradient`: gradients of the next-token cross-entropy with respect to the residual stream.

For window s: l_s = sum_t CE_t in nats, g_t = d l_s / d h_t. This is the paper's protocol for language models, as in
`shape_scan/transformer_shape_scan.py` of the authors' code, at every site instead of at the embedding alone; per
token where theirs is per batch, which changes energies by a constant and no ratio.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.interaction.residual_stream import first_site_not_finite, read_gradients
from shape_audit.interaction.sites import Site
from shape_audit.interaction.sums import SiteSums

CAUSALITY_TOKENS = 16
"""Inputs that `check_causal` looks at."""


def window_losses(model: nn.Module, ids_BL: Tensor) -> Tensor:
    """Summed cross-entropy of each window in nats, by the model's own forward. Returns (B,).

    Args:
        ids_BL: L = seq_len + 1 ids a window; the last is only a target.

    Raises:
        NonFiniteError: a logit or a loss is infinite or not a number.
    """
    logits_BTV = model(input_ids=ids_BL[:, :-1], use_cache=False).logits
    if logits_BTV.dtype in (torch.float16, torch.bfloat16):
        logits_BTV = logits_BTV.float()
    if not torch.isfinite(logits_BTV).all():
        raise NonFiniteError("the model's logits hold NaN or infinity")
    losses = F.cross_entropy(logits_BTV.flatten(0, 1), ids_BL[:, 1:].flatten(), reduction="none")
    losses_B = losses.view(len(ids_BL), -1).sum(1)
    if not torch.isfinite(losses_B).all():
        raise NonFiniteError("the loss overflows")
    return losses_B


@torch.no_grad()
def check_causal(model: nn.Module, ids_L: Tensor) -> None:
    """Refuse a model whose predictions look at what comes after them: its loss would mean nothing.

    Changes the last of a few inputs and compares the logits before it.

    Raises:
        NotAuditableError: the earlier logits changed.
    """
    ids_1T = ids_L[:CAUSALITY_TOKENS].unsqueeze(0)
    changed_1T = ids_1T.clone()
    changed_1T[0, -1] = ids_1T[0, 0] if ids_1T[0, -1] != ids_1T[0, 0] else (ids_1T[0, 0] + 1) % 2
    earlier, after_change = (model(input_ids=x, use_cache=False).logits[:, :-1].float() for x in (ids_1T, changed_1T))
    if earlier.numel() == 0 or not torch.isfinite(earlier).all():  # of the latter the pass says more
        return
    if (earlier - after_change).abs().max() > 1e-6 * earlier.abs().max():  # masked tokens count exactly nothing
        raise NotAuditableError(
            f"{type(model).__name__}: not a causal language model (its predictions depend on later tokens)"
        )


def add_micro_batch(model: nn.Module, blocks: list[nn.Module], ids_BL: Tensor, sums: Mapping[Site, SiteSums]) -> Tensor:
    """One forward and one activation backward; adds every window to the sums of every site.

    Windows of one micro-batch do not see each other, so the gradient of the summed loss is each window's own.

    Returns:
        Losses (B,) in nats, summed over each window's tokens.

    Raises:
        NonFiniteError: a loss is infinite or not a number; the message names the first site that is.
        NotAuditableError: the model does not run its blocks once each on the residual stream.
    """
    reached: list[Site] = []
    shape = (len(ids_BL), ids_BL.shape[1] - 1)

    def receive(site: Site, grad_BTD: Tensor) -> None:
        if grad_BTD.shape != (*shape, sums[site].width):
            raise NotAuditableError(
                f"{type(model).__name__}: unsupported architecture (the residual stream at {site.name} is "
                f"{list(grad_BTD.shape)}, not {[*shape, sums[site].width]})"
            )
        reached.append(site)
        sums[site].add(grad_BTD)

    try:
        with read_gradients(blocks, sums, receive) as leaves:
            losses_B = window_losses(model, ids_BL)
            if len(leaves) == 1:
                torch.autograd.grad(losses_B.sum(), leaves)
    except NonFiniteError as error:
        raise _located(error, model, blocks, ids_BL) from error
    if sorted(reached) != sorted(sums):
        raise NotAuditableError(
            f"{type(model).__name__}: unsupported architecture (it does not run each block once on the residual stream)"
        )
    return losses_B.detach()


def _located(error: NonFiniteError, model: nn.Module, blocks: list[nn.Module], ids_BL: Tensor) -> NonFiniteError:
    """The same error, with the site from which activations are not finite."""
    site = first_site_not_finite(model, blocks, ids_BL[:, :-1])
    where = f", from site {site.name} on" if site else ""
    return NonFiniteError(f"{error}{where}; the weights are damaged, or --dtype float32 would do")
