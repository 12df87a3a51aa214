"""`shape-audit schema [RESULT]`"""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from pydantic import BaseModel

from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.records import (
    AuditRecord,
    CheckReport,
    IntervalDerivation,
    ShapeSuggestion,
    SweepPlan,
    SweepRow,
)


def schema(
    of: Annotated[
        Literal["audit", "check", "suggest", "interval", "sweep-plan", "sweep-row"],
        typer.Argument(metavar="RESULT", help="Result type: audit, check, suggest, interval, sweep-plan or sweep-row."),
    ] = "audit",
) -> int:
    """Print the JSON Schema of a command's result."""
    forms: dict[str, type[BaseModel]] = {
        "audit": AuditRecord,
        "check": CheckReport,
        "suggest": ShapeSuggestion,
        "interval": IntervalDerivation,
        "sweep-plan": SweepPlan,
        "sweep-row": SweepRow,
    }
    emit(json.dumps(forms[of].model_json_schema(by_alias=True), indent=2) + "\n", None)
    return ExitCode.CLEAN
