"""Markdown, as for a workflow's step summary."""

from __future__ import annotations

from shape_audit.checks.formats.wording import judged_by, rules_run, shown, subject, verdict, where
from shape_audit.records import CheckReport
from shape_audit.reports import escaped

_MARKS = {"error": "❌ error", "warning": "⚠️ warning", "note": "ℹ️ note"}


def as_markdown(report: CheckReport) -> str:
    lines = [f"## shape-audit check {escaped(subject(report))}", "", f"**{verdict(report)}**", ""]
    if report.findings:
        lines += ["| | rule | what | where | what to do |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {_MARKS[finding.severity]} | {escaped(f'{finding.rule} {finding.name}')} | {escaped(finding.message)} "
            f"| {escaped(where(finding))} | {escaped(finding.fix)} |"
            for finding in shown(report)
        ]
        lines.append("")
    if report.accepted:
        lines += ["Accepted:", ""]
        lines += [
            f"- {escaped(accepted.finding.rule)} {escaped(where(accepted.finding))}: {escaped(accepted.reason)}"
            for accepted in report.accepted
        ]
        lines.append("")
    for line in (rules_run(report), *judged_by(report)):
        lines += [escaped(line), ""]
    return "\n".join(lines)
