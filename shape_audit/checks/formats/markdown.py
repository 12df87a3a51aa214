"""Markdown, as for a workflow's step summary."""

from __future__ import annotations

from shape_audit.checks.formats.wording import looked, shown, subject, verdict, where
from shape_audit.records import CheckReport

_MARKS = {"error": "❌ error", "warning": "⚠️ warning", "note": "ℹ️ note"}


def as_markdown(report: CheckReport) -> str:
    lines = [f"## shape-audit check {_plain(subject(report))}", "", f"**{verdict(report)}**", ""]
    if report.findings:
        lines += ["| | rule | what | where | what to do |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {_MARKS[finding.severity]} | {finding.rule} {finding.name} | {_plain(finding.message)} "
            f"| {_plain(where(finding))} | {_plain(finding.fix)} |"
            for finding in shown(report)
        ]
        lines.append("")
    if report.accepted:
        lines += ["Accepted:", ""]
        lines += [
            f"- {accepted.finding.rule} {_plain(where(accepted.finding))}: {_plain(accepted.reason)}"
            for accepted in report.accepted
        ]
        lines.append("")
    lines += [_plain(looked(report)), ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that is no markup, whatever is in it."""
    for sign in "\\`*_{}[]<>#|~":
        text = text.replace(sign, "\\" + sign)
    return text
