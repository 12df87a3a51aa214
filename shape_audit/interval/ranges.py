"""The ranges of R_D/W that budgets allow, and where they meet.

For each budget: the shapes whose loss is within a tolerance of the budget's best, and the range of their R_D/W. An
end of the range that is the scan's outermost shape is open: it does not bind. The interval is the intersection of
the budgets' ranges.
"""

from __future__ import annotations

from collections.abc import Sequence

from shape_audit.interval.interval_file import is_empty
from shape_audit.interval.sweep_table import Budgets, Cell
from shape_audit.records import BudgetRange, Edge, ToleranceRow


def budget_range(budget: int, cells: Sequence[Cell], tolerance: float) -> BudgetRange:
    """The shapes of a budget within the tolerance, and their range."""
    best = min(cells, key=lambda cell: cell.loss)
    within = [cell.r_dw for cell in cells if cell.loss <= best.loss * (1 + tolerance)]
    low, high = min(within), max(within)
    return BudgetRange(
        target_params=budget,
        shapes=len(cells),
        runs=sum(len(cell.losses) for cell in cells),
        within=len(within),
        best_r_dw=best.r_dw,
        best_loss=best.loss,
        low=low,
        high=high,
        open_edges=edges(low == min(cell.r_dw for cell in cells), high == max(cell.r_dw for cell in cells)),
    )


def intersection(ranges: Sequence[BudgetRange]) -> tuple[float | None, float | None]:
    """The tightest closed ends over all budgets; None where no budget closes that end."""
    lows = [r.low for r in ranges if "low" not in r.open_edges]
    highs = [r.high for r in ranges if "high" not in r.open_edges]
    return max(lows, default=None), min(highs, default=None)


def at_tolerance(budgets: Budgets, tolerance: float) -> ToleranceRow:
    """The interval at another tolerance."""
    low, high = intersection([budget_range(budget, cells, tolerance) for budget, cells in budgets.items()])
    return ToleranceRow(tolerance=tolerance, low=low, high=high, is_empty=is_empty(low, high))


def edges(low: bool, high: bool) -> list[Edge]:
    """The names of the edges for which something holds."""
    of_both: list[tuple[Edge, bool]] = [("low", low), ("high", high)]
    return [edge for edge, holds in of_both if holds]
