"""A sweep's table -> the efficient interaction interval of R_D/W, and how sure it is.

derive_interval(table)                 -> IntervalDerivation: ranges, sensitivity, seeds, parametric fit
shipped_interval(), read_interval(file)                            -> Interval
read_budgets(table)                    -> the shapes of a table by budget, with their losses
interaction_and_loss(table), with_open_models(derivation, records)         interaction against loss
write_figures(derivation, table, folder)   loss, interaction and best shape, PNG and SVG (the extra `board`)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.interval.interval_file import read_interval, shipped_interval
from shape_audit.interval.options import IntervalOptions
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.interval.derivation import SHIPPED_MIN_PARAMS, derive_interval
    from shape_audit.interval.figures import write_figures
    from shape_audit.interval.interaction_loss import interaction_and_loss, with_open_models
    from shape_audit.interval.loss_fit import middle
    from shape_audit.interval.sweep_table import SWEEP_TABLE, Budgets, read_budgets

__all__ = [
    "SHIPPED_MIN_PARAMS",
    "SWEEP_TABLE",
    "Budgets",
    "IntervalOptions",
    "derive_interval",
    "interaction_and_loss",
    "middle",
    "read_budgets",
    "read_interval",
    "shipped_interval",
    "with_open_models",
    "write_figures",
]

__getattr__ = lazy_names(
    __name__,
    {
        "derivation": "SHIPPED_MIN_PARAMS derive_interval",
        "figures": "write_figures",
        "interaction_loss": "interaction_and_loss with_open_models",
        "loss_fit": "middle",
        "sweep_table": "Budgets SWEEP_TABLE read_budgets",
    },
)
