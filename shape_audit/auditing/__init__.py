"""Options -> AuditRecord: the run itself, joining the rooms above.

audit("org/name", windows=64)         -> AuditRecord
plan_memory("org/name", windows=64)   -> MemoryPlan: what that would take
shape_cost("org/name")                -> [ShapeCost]: what its depth and width cost in loss; no weights are read
write_use_figure(record, folder)      -> paths: what blocks do, over how much of the width is used
satisfies(record, options)            -> whether that record is what such an audit would give
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.auditing.costs import shape_cost
from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.phases import Phases
from shape_audit.auditing.progress import Progress, Silent
from shape_audit.auditing.run import MeasurementNotInstalledError, RecordNotWrittenError, audit, plan_memory
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.auditing.figures import write_use_figure
    from shape_audit.auditing.reuse import TextNow, satisfies

__all__ = [
    "AuditOptions",
    "MeasurementNotInstalledError",
    "Phases",
    "Progress",
    "RecordNotWrittenError",
    "Silent",
    "TextNow",
    "audit",
    "plan_memory",
    "satisfies",
    "shape_cost",
    "write_use_figure",
]

__getattr__ = lazy_names(__name__, {"figures": "write_use_figure", "reuse": "TextNow satisfies"})
