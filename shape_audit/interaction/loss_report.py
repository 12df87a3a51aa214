"""From the losses of windows to what the record says about them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from shape_audit.calibration import Window
from shape_audit.interaction.estimators.error_bars import mean_interval
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.records import Loss


def in_order(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Losses in the audit's order, from (numbers of windows, their losses)."""
    if not parts:
        return torch.zeros(0, dtype=torch.float64)
    index_K, losses_K = (torch.cat(column) for column in zip(*parts, strict=True))
    return losses_K[index_K.argsort()]


def loss_report(losses_K: Tensor, windows: Sequence[Window], repeated: RepeatedWindows) -> Loss:
    """Cross-entropy over all windows, per token and per byte, with their intervals."""
    once = repeated.once
    tokens_K = torch.tensor([len(window.input_ids) - 1 for window in windows])
    spans = [window.byte_offsets for window in windows]
    bytes_K = torch.tensor([span[1] - span[0] if span else 0 for span in spans])
    bits_K = losses_K / math.log(2)
    knows_bytes = all(spans) and int(bytes_K.sum()) > 0
    return Loss(
        nats_per_token=float(losses_K.sum()) / int(tokens_K.sum()),
        nats_per_token_ci=mean_interval(once(losses_K), once(tokens_K)),
        bits_per_byte=float(bits_K.sum()) / int(bytes_K.sum()) if knows_bytes else None,
        bits_per_byte_ci=mean_interval(once(bits_K), once(bytes_K)) if knows_bytes else None,
    )
