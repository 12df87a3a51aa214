"""Annotations in the log of a GitHub workflow: `::error file=...,title=...::message`.

Format: docs.github.com, Workflow commands for GitHub Actions (what must be escaped, and how).
"""

from __future__ import annotations

from shape_audit.checks.formats.wording import judged_by, shown, subject, unable, verdict, where
from shape_audit.records import CheckReport

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(report: CheckReport, anchor: str) -> str:
    """One annotation a finding and one a rule that could not look, at the anchor's first line, and the verdict."""
    lines = [
        f"::{_COMMANDS[finding.severity]} file={_property(anchor)},line=1,"
        f"title={_property(f'{finding.rule} {finding.name}')}::"
        f"{_data(f'{finding.message} [{where(finding)}] Fix: {finding.fix}')}"
        for finding in shown(report)
    ]
    lines += [
        f"::notice file={_property(anchor)},line=1,title={_property(rule)} not run::{_data(reason)}"
        for rule, reason in unable(report).items()
    ]
    said = [f"shape-audit check {subject(report)}: {verdict(report)}", *judged_by(report)]
    return "\n".join([*lines, *map(_harmless, said)]) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _harmless(text: str) -> str:
    """A line that is no command, whatever a model is called."""
    return text.replace("::", ": :").replace("##[", "# #[")
