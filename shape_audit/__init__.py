"""shape-audit: audit the depth-width shape of a causal language model, and how its channels interact.

    import shape_audit
    record = shape_audit.audit("builtin:bytes-1m")        # AuditRecord
    shape_audit.check("./my-model").failing                # findings that a release should not have
    shape_audit.shape_cost("builtin:bytes-1m")             # [ShapeCost]: what its depth and width cost in loss
    shape_audit.derive_interval()                          # IntervalDerivation of the shipped sweep
    shape_audit.run_sweep(params="300k", depths="1,2,4,8", data="corpus", output="sweep")    # [SweepRow]
    shape_audit.suggest("1.2B").shapes[0].config           # a config.json inside it

Nothing heavy is imported before it is needed: `audit(..., shape_only=True)` runs without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.errors import (
    CorruptFileError,
    ExitCode,
    IncompleteError,
    MissingExtraError,
    NonFiniteError,
    NotAuditableError,
    ShapeAuditError,
    UsageError,
)
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.auditing import AuditOptions, audit, plan_memory, shape_cost
    from shape_audit.checks import CheckOptions, check
    from shape_audit.interval import derive_interval
    from shape_audit.leaderboard import build_leaderboard, read_manifest
    from shape_audit.linking import link
    from shape_audit.records import AuditRecord, CheckReport, ShapeSuggestion, read_record
    from shape_audit.scores import ScoreOptions, score
    from shape_audit.shape import suggest
    from shape_audit.sweep import (
        ShapeAuditCallback,
        SweepOptions,
        conclude_sweep,
        fixed_windows,
        plan_sweep,
        run_sweep,
        watch,
    )
    from shape_audit.yardsticks import yardstick_report

__version__ = "0.2.0"

_HOME = {
    "auditing": "AuditOptions audit plan_memory shape_cost",
    "checks": "CheckOptions check",
    "interval": "derive_interval",
    "leaderboard": "build_leaderboard read_manifest",
    "linking": "link",
    "records": "AuditRecord CheckReport ShapeSuggestion read_record",
    "scores": "ScoreOptions score",
    "shape": "suggest",
    "sweep": "ShapeAuditCallback SweepOptions conclude_sweep fixed_windows plan_sweep run_sweep watch",
    "yardsticks": "yardstick_report",
}

__all__ = [
    "AuditOptions",
    "AuditRecord",
    "CheckOptions",
    "CheckReport",
    "CorruptFileError",
    "ExitCode",
    "IncompleteError",
    "MissingExtraError",
    "NonFiniteError",
    "NotAuditableError",
    "ScoreOptions",
    "ShapeAuditCallback",
    "ShapeAuditError",
    "ShapeSuggestion",
    "SweepOptions",
    "UsageError",
    "audit",
    "build_leaderboard",
    "check",
    "conclude_sweep",
    "derive_interval",
    "fixed_windows",
    "link",
    "plan_memory",
    "plan_sweep",
    "read_manifest",
    "read_record",
    "run_sweep",
    "score",
    "shape_cost",
    "suggest",
    "watch",
    "yardstick_report",
]


def __dir__() -> list[str]:
    """What may be imported, also where nothing has been so far."""
    return sorted({*globals(), *__all__})


__getattr__ = lazy_names(__name__, _HOME)
