"""`shape-audit schema`"""

from __future__ import annotations

import json

from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.records import AuditRecord


def command() -> int:
    """Print the JSON Schema of an audit record."""
    emit(json.dumps(AuditRecord.model_json_schema(by_alias=True), indent=2) + "\n", None)
    return ExitCode.CLEAN
