"""Options -> AuditRecord: the run itself, joining the rooms above.

audit("org/name", windows=64)         -> AuditRecord
plan_memory("org/name", windows=64)   -> MemoryPlan: what that would take
answers(record, options)              -> whether that record is what such an audit would give
"""

from shape_audit.auditing.options import DEFAULT_SEQ_LEN, AuditOptions
from shape_audit.auditing.progress import Progress, Silent
from shape_audit.auditing.reuse import answers
from shape_audit.auditing.run import MeasurementNotInstalledError, RecordNotWrittenError, audit, plan_memory

__all__ = [
    "DEFAULT_SEQ_LEN",
    "AuditOptions",
    "MeasurementNotInstalledError",
    "Progress",
    "RecordNotWrittenError",
    "Silent",
    "answers",
    "audit",
    "plan_memory",
]
