"""shape-audit: audit the depth-width shape of a causal language model, and how its channels interact.

    import shape_audit
    record = shape_audit.audit("builtin:bytes-1m")        # AuditRecord
    shape_audit.check("./my-model").failing                # findings that a release should not have
    shape_audit.derive_interval()                          # IntervalDerivation of the shipped sweep
    shape_audit.suggest("1.2B").shapes[0].config           # a config.json inside it

Nothing heavy is imported before it is needed: `audit(..., shape_only=True)` runs without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from shape_audit.auditing import AuditOptions, audit, plan_memory
    from shape_audit.checks import CheckOptions, check
    from shape_audit.leaderboard import build_leaderboard, read_manifest
    from shape_audit.linking import link
    from shape_audit.records import AuditRecord, CheckReport, ShapeSuggestion, read_record
    from shape_audit.scores import ScoreOptions, score
    from shape_audit.shape import derive_interval, suggest

__version__ = "0.1.0"

_HOME = {
    "AuditOptions": "auditing",
    "AuditRecord": "records",
    "CheckOptions": "checks",
    "CheckReport": "records",
    "ScoreOptions": "scores",
    "ShapeSuggestion": "records",
    "audit": "auditing",
    "build_leaderboard": "leaderboard",
    "check": "checks",
    "derive_interval": "shape",
    "link": "linking",
    "plan_memory": "auditing",
    "read_manifest": "leaderboard",
    "read_record": "records",
    "score": "scores",
    "suggest": "shape",
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
    "ShapeAuditError",
    "ShapeSuggestion",
    "UsageError",
    "audit",
    "build_leaderboard",
    "check",
    "derive_interval",
    "link",
    "plan_memory",
    "read_manifest",
    "read_record",
    "score",
    "suggest",
]


def __getattr__(name: str) -> Any:
    """Public names, each imported from its room when first asked for."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
