"""JSON: the report as it is."""

from shape_audit.escaping import json_text
from shape_audit.records import CheckReport


def as_json(report: CheckReport) -> str:
    return json_text(report.model_dump_json(indent=2))
