"""Published and own fixed-budget sweeps of shapes -> what a shape costs, with its error bars.

shipped_yardstick(name), read_yardstick(name or file)   -> Yardstick
shape_costs(yardstick, shape)                            -> [ShapeCost]: each basis at each price
yardstick_report(name or file)                           -> YardstickReport: groups, law, bands, how sure they are
with_yardstick(derivation, table)                        -> IntervalDerivation, with the same of its own table
table_of(name)                                           -> the table of a sweep that a user means
write_yardstick_figures(report, folder)                  loss and time against R_D/W (the extra `board`)

To use a yardstick needs no numpy: the laws ship fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.yardsticks.cost import (
    are_told_apart,
    best_r_dw_at_total,
    cost_band,
    law_cost,
    relative_training_time,
    shape_costs,
)
from shape_audit.yardsticks.yardstick import DEFAULT_YARDSTICK, Yardstick, shipped_yardstick, shipped_yardsticks

if TYPE_CHECKING:
    from shape_audit.yardsticks.figures import write_yardstick_figures
    from shape_audit.yardsticks.own_sweep import table_of
    from shape_audit.yardsticks.report import with_yardstick, yardstick_report

__all__ = [
    "DEFAULT_YARDSTICK",
    "Yardstick",
    "are_told_apart",
    "best_r_dw_at_total",
    "cost_band",
    "law_cost",
    "read_yardstick",
    "relative_training_time",
    "shape_costs",
    "shipped_yardstick",
    "shipped_yardsticks",
    "table_of",
    "with_yardstick",
    "write_yardstick_figures",
    "yardstick_report",
]


def read_yardstick(name: str) -> Yardstick:
    """A shipped yardstick by its name, or one fitted to a sweep of one's own.

    Args:
        name: a shipped name, or the table (CSV) or folder of a sweep.

    Raises:
        UsageError: neither a name nor a file, a table without the columns, or losses without a lowest point.
        CorruptFileError, IncompleteError: as `interval.read_budgets`.
    """
    if name in shipped_yardsticks():
        return shipped_yardstick(name)
    from shape_audit.yardsticks.own_sweep import own_yardstick  # it brings numpy: not into every start

    return own_yardstick(name)


__getattr__ = lazy_names(
    __name__,
    {
        "figures": "write_yardstick_figures",
        "own_sweep": "table_of",
        "report": "with_yardstick yardstick_report",
    },
)
