"""`shape-audit schema [audit|check|suggest]`"""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from pydantic import BaseModel

from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.records import AuditRecord, CheckReport, ShapeSuggestion


def command(
    of: Annotated[
        Literal["audit", "check", "suggest"], typer.Argument(metavar="[audit|check|suggest]", help="Whose result.")
    ] = "audit",
) -> int:
    """Print the JSON Schema of an audit record, of a check report, or of suggested shapes."""
    forms: dict[str, type[BaseModel]] = {"audit": AuditRecord, "check": CheckReport, "suggest": ShapeSuggestion}
    emit(json.dumps(forms[of].model_json_schema(by_alias=True), indent=2) + "\n", None)
    return ExitCode.CLEAN
