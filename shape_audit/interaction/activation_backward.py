"""One forward of a micro-batch and one backward to its residual stream, for any scalar of the logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.interaction.residual_stream import first_site_not_finite, read_gradients
from shape_audit.interaction.sites import Site
from shape_audit.interaction.sums import SiteSums

Objective = Callable[[Tensor, Tensor], Tensor]
"""(logits (B, T, V), losses (B,)) -> the scalar of each window (B,) whose gradient is taken."""


def model_logits(model: nn.Module, ids_BT: Tensor) -> Tensor:
    """Logits (B, T, V) by the model's own forward, float32 or better."""
    return exact_logits(model(input_ids=ids_BT, use_cache=False).logits)


def exact_logits(logits_BTV: Tensor) -> Tensor:
    """The same logits, float32 or better."""
    return logits_BTV.float() if logits_BTV.dtype in (torch.float16, torch.bfloat16) else logits_BTV


def window_losses(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Summed cross-entropy of each window in nats (B,).

    Raises:
        NonFiniteError: a logit is infinite or not a number, or a loss overflows.
    """
    losses = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), reduction="none")
    losses_B = losses.view(len(targets_BT), -1).sum(1)
    if not torch.isfinite(losses_B).all():  # a logit that is not finite makes it so; to look at all takes long
        all_finite = torch.isfinite(logits_BTV).all()
        raise NonFiniteError("the loss overflows" if all_finite else "the model's logits hold NaN or infinity")
    return losses_B


def add_gradients(
    model: nn.Module,
    blocks: list[nn.Module],
    ids_BL: Tensor,
    first: int,
    sums: Mapping[Site, SiteSums],
    objective: Objective,
) -> Tensor:
    """Add every window of a micro-batch to the sums of every site.

    Windows of one micro-batch do not see each other, so the gradient of the summed scalars is each window's own.

    Args:
        ids_BL: L = seq_len + 1 ids a window; the last is only a target.
        first: number of the first window in the audit's order.

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
        sums[site].add(grad_BTD, first)

    try:
        with read_gradients(blocks, sums, receive) as leaves:
            logits_BTV = model_logits(model, ids_BL[:, :-1])
            losses_B = window_losses(logits_BTV, ids_BL[:, 1:])
            scalars_B = objective(logits_BTV, losses_B)
            del logits_BTV  # as large as anything in the backward
            if len(leaves) == 1:
                torch.autograd.grad(scalars_B.sum(), leaves)
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
