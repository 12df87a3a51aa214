"""`shape-audit schema [audit|check]`"""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.records import AuditRecord, CheckReport


def command(
    of: Annotated[Literal["audit", "check"], typer.Argument(metavar="[audit|check]", help="Whose result.")] = "audit",
) -> int:
    """Print the JSON Schema of an audit record, or of a check report."""
    form = AuditRecord if of == "audit" else CheckReport
    emit(json.dumps(form.model_json_schema(by_alias=True), indent=2) + "\n", None)
    return ExitCode.CLEAN
