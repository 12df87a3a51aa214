"""JSON: the report as it is."""

from shape_audit.records import CheckReport


def as_json(report: CheckReport) -> str:
    return report.model_dump_json(indent=2) + "\n"
