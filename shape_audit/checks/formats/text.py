"""Plain text for a terminal, the worst first."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shape_audit.checks.formats.wording import judged_by, rules_run, shown, subject, verdict, where
from shape_audit.records import CheckReport, Finding
from shape_audit.reports import plain

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def as_text(report: CheckReport) -> RenderableType:
    """Each finding in three lines: what, where, what to do; then what was accepted, and the verdict."""
    parts: list[RenderableType] = [plain(f"shape-audit check {subject(report)}", style="bold"), Text("")]
    for finding in shown(report):
        parts += [*_lines(finding), Text("")]
    if report.accepted:
        parts.append(Text("accepted", style="dim"))
        for accepted in report.accepted:
            line = f"  {accepted.finding.rule} {where(accepted.finding)}: {accepted.reason}"
            parts.append(plain(line, style="dim"))
        parts.append(Text(""))
    parts.append(Text(verdict(report), style="bold red" if report.failing else "bold green"))
    parts += [plain(line, style="dim") for line in (rules_run(report), *judged_by(report))]
    return Group(*parts)


def _lines(finding: Finding) -> list[RenderableType]:
    head = Table.grid(padding=(0, 1))  # wrapped lines stay in their column
    head.add_column(width=7)
    head.add_column(width=max(5, len(finding.rule)))
    head.add_column()
    head.add_row(Text(finding.severity, style=_STYLES[finding.severity]), plain(finding.rule, style="bold"),
                 plain(finding.message))  # fmt: skip
    head.add_row("", Text("at", style="dim"), plain(where(finding), style="dim"))
    head.add_row("", Text("fix", style="dim"), plain(finding.fix, style="dim"))
    return [head]
