"""Annotations in the log of a GitHub workflow: `::error file=...,title=...::message`.

Format: docs.github.com, Workflow commands for GitHub Actions (what must be escaped, and how).
"""

from __future__ import annotations

from shape_audit.checks.formats.wording import judged_by, shown, subject, unable, verdict, where
from shape_audit.escaping import annotation, annotation_property, log_text, on_a_line
from shape_audit.records import CheckReport

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(report: CheckReport, anchor: str) -> str:
    """One annotation a finding and one a rule that could not look, at the anchor's first line, and the verdict."""
    lines = [
        f"::{_COMMANDS[finding.severity]} file={annotation_property(anchor)},line=1,"
        f"title={annotation_property(f'{finding.rule} {finding.name}')}::"
        f"{annotation(f'{finding.message} [{where(finding)}] Fix: {finding.fix}')}"
        for finding in shown(report)
    ]
    lines += [
        f"::notice file={annotation_property(anchor)},line=1,title={annotation_property(rule)} not run::"
        f"{annotation(reason)}"
        for rule, reason in unable(report).items()
    ]
    said = [f"shape-audit check {subject(report)}: {verdict(report)}", *judged_by(report)]
    return "\n".join([*lines, *(log_text(on_a_line(line)) for line in said)]) + "\n"
