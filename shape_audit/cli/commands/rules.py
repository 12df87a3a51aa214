"""`shape-audit rules` and `shape-audit explain RULE`"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from shape_audit.checks import OPTIONS, Rule, all_rules
from shape_audit.cli.failures import failed
from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode, UsageError, did_you_mean
from shape_audit.reports import FittedTable
from shape_audit.reports import Table as PlainTable


def list_rules() -> int:
    """List the rules of `shape-audit check`."""
    try:
        rows = tuple((rule.id, rule.name, rule.severity, OPTIONS[rule.needs], rule.summary) for rule in _in_order())
        columns = ("rule", "name", "default", "needs", "what it looks for")
        emit(FittedTable(PlainTable("Rules", columns, rows, numeric=False)), None)
    except Exception as error:
        return failed(error, subject="shape-audit rules", debug=False)
    return ExitCode.CLEAN


def explain(rule: Annotated[str, typer.Argument(metavar="RULE", help="SA101, or a rule's name.")]) -> int:
    """Say what a rule looks for, why that matters and what to do."""
    try:
        found = _named(rule)
        needs = f", with {OPTIONS[found.needs]}" if OPTIONS[found.needs] else ""
        rows = Table.grid(padding=(0, 2))
        for head, text in ("what", found.summary), ("why", found.why), ("fix", found.fix):
            rows.add_row(Text(head, style="dim"), Text(text))
        head_line = Text(f"{found.id} {found.name}", style="bold")
        emit(Group(head_line, Text(f"{found.severity} by default{needs}"), Text(""), rows), None)
    except Exception as error:
        return failed(error, subject=rule, debug=False)
    return ExitCode.CLEAN


def _in_order() -> list[Rule]:
    return sorted(all_rules().values(), key=lambda rule: rule.id)


def _named(text: str) -> Rule:
    by_name = {name: rule for rule in all_rules().values() for name in (rule.id, rule.name)}
    found = by_name.get(text) or by_name.get(text.upper())
    if found is None:
        near = did_you_mean(text.upper(), all_rules()) or did_you_mean(text, by_name)
        raise UsageError(f"no rule is called {text}{near or '; see shape-audit rules'}")
    return found
