"""Where a shape stands against an interval, and how much that means."""

from __future__ import annotations

import math
from functools import cache

from shape_audit.interval import shipped_interval
from shape_audit.records import Interval, Placement
from shape_audit.shape.known_models import known_models

SHIPPED_CAVEAT = (
    "the interval comes from one-seed sweeps of 1M-10M-parameter byte models; "
    "of the {n} base models in the shipped table {below} lie below it and {above} above"
)


def place(r_dw: float, interval: Interval, *, is_dense: bool = True) -> Placement:
    """Place a depth-width ratio against an interval; a null end does not bind. What is not dense has no side.

    Args:
        r_dw: num_hidden_layers / hidden_size.
        interval: what it is held against.
    """
    is_shipped = interval.source == shipped_interval().source
    caveat = _shipped_caveat(interval) if is_shipped else f"the interval comes from {interval.source}"
    if not is_dense:
        return Placement(interval=interval, side=None, log_distance=None, caveat=caveat)
    if interval.low is not None and r_dw < interval.low:
        return Placement(
            interval=interval, side="shallow-wide", log_distance=math.log(interval.low / r_dw), caveat=caveat
        )
    if interval.high is not None and r_dw > interval.high:
        return Placement(
            interval=interval, side="deep-narrow", log_distance=math.log(r_dw / interval.high), caveat=caveat
        )
    return Placement(interval=interval, side="inside", log_distance=0.0, caveat=caveat)


@cache
def _shipped_caveat(interval: Interval) -> str:
    """The one clause every report repeats about an interval of the shipped sweep, counted from the shipped table."""
    ratios = [model.r_dw for model in known_models().values() if model.is_base]
    below = sum(r < interval.low for r in ratios) if interval.low is not None else 0
    above = sum(r > interval.high for r in ratios) if interval.high is not None else 0
    return SHIPPED_CAVEAT.format(n=len(ratios), below=below or "none", above=above or "none")
