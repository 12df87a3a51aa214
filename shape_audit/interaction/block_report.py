"""From what was kept of each window's blocks to what the record says about them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from shape_audit.interaction.estimators.block_rows import (
    FIRST,
    GRADIENT,
    GRADIENT_CHANGE,
    REST,
    SAVING,
    SIZE,
    TURN,
    BlockRows,
)
from shape_audit.interaction.estimators.error_bars import mean_interval
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.records import BlockNumbers, BlockUse


def block_use(rows: BlockRows, repeated: RepeatedWindows) -> list[BlockUse]:
    """Every block; windows are the sample, and copies of one count as one in the intervals."""
    return [
        BlockUse(
            name=f"block.{block}",
            **_numbers(sums_KPA[:, REST], rows.tokens_K - 1, repeated),
            with_first_position=BlockNumbers(
                **_numbers(sums_KPA[:, FIRST] + sums_KPA[:, REST], rows.tokens_K, repeated)
            ),
        )
        for block, sums_KPA in enumerate(rows.sums_KLPA.unbind(1))
    ]


def _numbers(sums_KA: Tensor, tokens_K: Tensor, repeated: RepeatedWindows) -> dict[str, Any]:
    """The four numbers of a block and their intervals, from sums over some of each window's tokens."""
    quotients = {
        "block_influence": (sums_KA[:, TURN], tokens_K),
        "update_size": (sums_KA[:, SIZE], tokens_K),
        "gradient_influence": (sums_KA[:, GRADIENT_CHANGE], sums_KA[:, GRADIENT]),
        "first_order_saving": (sums_KA[:, SAVING], tokens_K),
    }
    found: dict[str, Any] = {}
    for name, (amount_K, size_K) in quotients.items():
        whole = float(size_K.sum())
        is_known = bool(amount_K.isfinite().all() and size_K.isfinite().all()) and whole > 0
        found[name] = float(amount_K.sum()) / whole if is_known else None
        found[f"{name}_ci"] = mean_interval(repeated.once(amount_K), repeated.once(size_K)) if is_known else None
    return found
