"""What a model says about a micro-batch: its logits by its own forward, and the losses of its windows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shape_audit.errors import NonFiniteError
from shape_audit.models.forward_faults import model_faults


def model_logits(model: nn.Module, ids_BT: Tensor) -> Tensor:
    """Logits (B, T, V) by the model's own forward, float32 or better.

    Raises:
        NotAuditableError: its forward fails.
    """
    with model_faults(model):
        logits_BTV: Tensor = model(input_ids=ids_BT, use_cache=False).logits
        return exact_logits(logits_BTV)


def exact_logits(logits_BTV: Tensor) -> Tensor:
    """The same logits, float32 or better."""
    return logits_BTV.float() if logits_BTV.dtype in (torch.float16, torch.bfloat16) else logits_BTV


SURE = 1e-2
"""Nats: below, what is left of 1 - p is worth computing apart; there it has lost a hundred times what others have."""


def window_losses(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Summed cross-entropy of each window in nats (B,).

    Raises:
        NonFiniteError: a logit is infinite or not a number, or a loss overflows.
    """
    logits_NV, targets_N = logits_BTV.flatten(0, 1), targets_BT.flatten()
    losses_N = F.cross_entropy(logits_NV, targets_N, reduction="none")
    is_sure_N = losses_N.detach() < SURE
    if is_sure_N.any():
        losses_N = losses_N.masked_scatter(is_sure_N, _small_losses(logits_NV[is_sure_N], targets_N[is_sure_N]))
    losses_B = losses_N.view(len(targets_BT), -1).sum(1)
    if not torch.isfinite(losses_B).all():  # a logit that is not finite makes it so; to look at all takes long
        all_finite = torch.isfinite(logits_BTV).all()
        raise NonFiniteError("the loss overflows" if all_finite else "the model's logits hold NaN or infinity")
    return losses_B


def _small_losses(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Cross-entropy of each target (N,) to full relative precision, however sure the model is.

    -ln p and its gradient p - 1 are differences of nearly equal numbers where p is nearly 1: in float32 nothing is left
    of 1 - p = 1e-9. From the odds of all other tokens against the target, ln(1 + odds), nothing is taken away.
    """
    at_N1 = targets_N.unsqueeze(1)
    others_N = logits_NV.scatter(1, at_N1, -torch.inf).logsumexp(1)
    return (others_N - logits_NV.gather(1, at_N1).squeeze(1)).exp().log1p()
