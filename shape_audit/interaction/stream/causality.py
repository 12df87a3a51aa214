"""Whether a model's predictions depend on what comes after them: then its loss would mean nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.models import model_logits

CAUSALITY_TOKENS = 16
"""Inputs that `check_causal` looks at."""
MASKED = 1e-6
"""Relative: a token that is masked counts exactly nothing."""
GROUPED = 32
"""Roundings that logits may move by where tokens are multiplied in groups, one an expert: the last changes groups."""


@torch.no_grad()
def check_causal(model: nn.Module, ids_L: Tensor) -> None:
    """Refuse a model that looks ahead: change the last of a few inputs and compare the logits before it.

    Raises:
        NotAuditableError: the earlier logits changed.
    """
    is_grouped = getattr(getattr(model, "config", None), "_experts_implementation", None) not in (None, "eager")
    tolerance = GROUPED * torch.finfo(next(model.parameters()).dtype).eps if is_grouped else MASKED
    ids_1T = ids_L[:CAUSALITY_TOKENS].unsqueeze(0)
    changed_1T = ids_1T.clone()
    changed_1T[0, -1] = ids_1T[0, 0] if ids_1T[0, -1] != ids_1T[0, 0] else (ids_1T[0, 0] + 1) % 2
    earlier, after_change = (model_logits(model, x)[:, :-1].float() for x in (ids_1T, changed_1T))
    if earlier.numel() == 0 or not torch.isfinite(earlier).all():  # of the latter the pass says more
        return
    if (earlier - after_change).abs().max() > tolerance * earlier.abs().max():
        raise NotAuditableError(
            f"{type(model).__name__}: not a causal language model (its predictions depend on later tokens)"
        )
