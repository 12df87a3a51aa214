"""Fixed-budget shape sweeps: every shape of a budget trained on the same bytes, measured, and entered in one table.

SweepOptions                     what to train and how
plan_sweep(options)              -> SweepPlan: shapes, operations, time
plan_shapes(options)             -> shapes, and cells without one: neither text nor torch is needed
run_sweep(options)               -> [SweepRow], and a folder: table.csv, models/, records/
conclude_sweep(folder)           -> the interval of its table, and files: interval.json, figures/
OutputFolder(path)               what lies where in a sweep's folder
ShapeAuditCallback(windows)      for transformers.Trainer: the interaction as it forms
watch(model, windows)            -> Observation: the same for any other loop
fixed_windows(tokenizer)         -> the windows for both
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.plan import plan_shapes
from shape_audit.sweep.progress import SilentSweep, SweepProgress
from shape_audit.sweep.run import plan_sweep, run_sweep

if TYPE_CHECKING:
    from shape_audit.sweep.callback import ShapeAuditCallback
    from shape_audit.sweep.conclusion import conclude_sweep
    from shape_audit.sweep.model_folder import byte_tokenizer
    from shape_audit.sweep.output_folder import OutputFolder
    from shape_audit.sweep.watching import Observation, fixed_windows, watch

__all__ = [
    "Observation",
    "OutputFolder",
    "ShapeAuditCallback",
    "SilentSweep",
    "SweepOptions",
    "SweepProgress",
    "byte_tokenizer",
    "conclude_sweep",
    "fixed_windows",
    "plan_shapes",
    "plan_sweep",
    "run_sweep",
    "watch",
]

__getattr__ = lazy_names(
    __name__,
    {
        "callback": "ShapeAuditCallback",
        "conclusion": "conclude_sweep",
        "model_folder": "byte_tokenizer",
        "output_folder": "OutputFolder",
        "watching": "Observation fixed_windows watch",
    },
)
