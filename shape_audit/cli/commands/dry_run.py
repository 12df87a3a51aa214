"""`shape-audit audit MODEL ... --dry-run`: the memory that a measurement would take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group

from shape_audit.auditing import AuditOptions, plan_memory
from shape_audit.cli.failures import failed
from shape_audit.cli.progress import AuditBar
from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode, IncompleteError
from shape_audit.escaping import json_text
from shape_audit.reports import memory_json, memory_markdown, memory_text, shortage


def dry_run(
    models: Sequence[str], options: AuditOptions, report: tuple[str, Path | None], debug: bool
) -> set[ExitCode]:
    """Show each model's plan in one report, and say in a line which will not fit.

    Args:
        report: its format, and the file it goes to.

    Returns:
        The exit codes that occurred: 2 for a model that does not fit.
    """
    format, output = report
    codes, plans = {ExitCode.CLEAN}, []
    for model in models:
        try:
            with AuditBar() as progress:
                plans.append(plan_memory(model, options, progress=progress))
        except Exception as error:
            codes.add(failed(error, subject=model, debug=debug))
    try:
        if plans and format == "json":
            content = [memory_json(plan) for plan in plans]
            emit(json_text(content if len(models) > 1 else content[0]), output)
        elif plans and format == "markdown":
            emit("\n".join(memory_markdown(plan) for plan in plans), output)
        elif plans:
            emit(Group(*(memory_text(plan) for plan in plans)), output)
    except Exception as error:
        codes.add(failed(error, subject=str(output or "stdout"), debug=debug))
    for plan in plans:
        if not plan.fits:
            reason = IncompleteError(f"{plan.model}: too little memory: {shortage(plan)}; use {plan.advice}")
            codes.add(failed(reason, subject=plan.model, debug=False))
    return codes
