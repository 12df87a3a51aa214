"""What the derivation of an interval from a sweep table found, budget by budget."""

from __future__ import annotations

from typing import Literal

from shape_audit.records.frozen import Frozen

Edge = Literal["low", "high"]


class BudgetRange(Frozen):
    """The shapes of one parameter budget whose loss is within the tolerance of the budget's best."""

    target_params: int
    shapes: int
    """Shapes scanned at this budget."""
    within: int
    """Shapes within the tolerance."""
    best_r_dw: float
    best_loss: float
    """Nats per byte in the shipped table."""
    low: float
    high: float
    """Lowest and highest R_D/W among the shapes within the tolerance."""
    open_edges: list[Edge]
    """Ends that are the scan's outermost shape: the range may go on beyond them."""


class ToleranceRow(Frozen):
    """The interval at one tolerance. `is_empty` where the budgets' ranges do not meet."""

    tolerance: float
    low: float | None
    high: float | None
    is_empty: bool


class IntervalDerivation(Frozen):
    """An interval of R_D/W and everything it follows from.

    Where `is_empty`, `low` > `high`: they are the ends that do not meet. An end that no budget bounds is null and
    stands in `open_edges`.
    """

    name: str
    source: str
    tolerance: float
    min_params: float
    low: float | None
    high: float | None
    is_empty: bool
    open_edges: list[Edge]
    budgets: list[BudgetRange]
    sensitivity: list[ToleranceRow]
