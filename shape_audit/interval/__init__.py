"""A sweep's table -> the efficient interaction interval of R_D/W, and how sure it is.

derive_interval(table)                 -> IntervalDerivation: ranges, sensitivity, seeds, parametric fit
shipped_interval(), read_interval(file), interval_of(derivation)   -> Interval
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
    from shape_audit.interval.derivation import SHIPPED_MIN_PARAMS, derive_interval, interval_of
    from shape_audit.interval.figures import write_figures
    from shape_audit.interval.interaction_loss import interaction_and_loss, with_open_models
    from shape_audit.interval.sweep_table import Budgets, read_budgets

__all__ = [
    "SHIPPED_MIN_PARAMS",
    "Budgets",
    "IntervalOptions",
    "derive_interval",
    "interaction_and_loss",
    "interval_of",
    "read_budgets",
    "read_interval",
    "shipped_interval",
    "with_open_models",
    "write_figures",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Budgets": "sweep_table",
        "SHIPPED_MIN_PARAMS": "derivation",
        "derive_interval": "derivation",
        "interaction_and_loss": "interaction_loss",
        "interval_of": "derivation",
        "read_budgets": "sweep_table",
        "with_open_models": "interaction_loss",
        "write_figures": "figures",
    },
)
