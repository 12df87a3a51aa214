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
