"""`shape-audit sweep run`"""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.declaring import Format, command, flag, output_flag
from shape_audit.cli.help_page import CommandGroup, GroupedCommand
from shape_audit.cli.progress import SweepBar
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.parallel import SingleProcess, check_launched, end_with_launcher, launch, processes_of_run
from shape_audit.reports import (
    as_json,
    interval_sentence,
    interval_sureness,
    sweep_json,
    sweep_markdown,
    sweep_plan_markdown,
    sweep_plan_text,
    sweep_text,
    yardstick_sentence,
)
from shape_audit.sweep import SilentSweep, SweepOptions, plan_shapes, plan_sweep, run_sweep

Form = Literal["text", "json", "markdown"]

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train and measure fixed-budget shape sweeps.",
)


@app.callback()
def group() -> None:
    """Train and measure fixed-budget shape sweeps."""


@app.command("run", cls=GroupedCommand)
@command("shape-audit sweep")
def run(
    context: typer.Context,
    options: SweepOptions,
    is_plan: Annotated[
        bool, output_flag("--plan", help="Show shapes, operations and estimated time, and stop.")
    ] = False,
    num_processes: Annotated[
        int | None,
        flag(
            rich_help_panel="Hardware", help="Share each step among this many processes on this machine.  [default: 1]"
        ),
    ] = None,
    format: Format = "text",
) -> int:
    """Train every shape of a parameter budget on the same bytes, and measure loss and interaction of each.

    Each finished model is a line of DIR/table.csv, which shape-audit interval reads, a folder in DIR/models, which
    shape-audit audit reads, and two records in DIR/records. At the end DIR/interval.json holds the interval for
    shape-audit check, and DIR/figures what the table shows.
    """
    if options.output is None and not is_plan:
        raise UsageError("--output: a sweep needs a folder for its table and models (or see --plan)")
    processes = processes_of_run()
    if processes.note:
        note(f"shape-audit: {processes.note}")
    if num_processes is not None and options.cluster.uses_ray:
        raise UsageError("--engine ray shares models out; leave out --num-processes")
    if num_processes is not None and not is_plan:
        if processes.size == 1 and num_processes != 1:
            return launch(context.obj, num_processes)
        check_launched(num_processes, processes)
        end_with_launcher()
    if is_plan:
        _show_plan(options, format)
    else:
        _run(options, format, processes)
    return ExitCode.CLEAN


def _show_plan(options: SweepOptions, format: Form) -> None:
    with SweepBar() as progress:
        plan = plan_sweep(options, progress=progress)
    forms = {"text": sweep_plan_text, "json": as_json, "markdown": sweep_plan_markdown}
    emit(forms[format](plan), None)


def _run(options: SweepOptions, format: Form, processes: SingleProcess) -> None:
    is_first = processes.is_first  # of several processes, the one that speaks
    if is_first:
        for cell in plan_shapes(options)[1]:
            note(f"left out: {cell.target_params:,} parameters in {cell.num_hidden_layers} layers: {cell.reason}")
    with SweepBar() if is_first else nullcontext(SilentSweep()) as progress:
        rows = run_sweep(options, progress=progress, processes=processes)
    if is_first:
        forms = {"text": sweep_text, "json": sweep_json, "markdown": sweep_markdown}
        emit(forms[format](rows), None)
        assert options.output is not None
        _conclude(options.output)


def _conclude(folder: str | Path) -> None:
    """The interval of the folder's table, and where its files lie."""
    from shape_audit.sweep import OutputFolder, conclude_sweep  # they bring numpy: not into every start

    derivation, files = conclude_sweep(folder)
    for line in (interval_sentence(derivation), *interval_sureness(derivation)):
        note(line)
    if derivation.yardstick is not None:
        note(yardstick_sentence(derivation.yardstick))
    table = OutputFolder(folder).table
    use = f" (shape-audit audit MODEL --shape-only --yardstick {shlex.quote(str(table))})"
    note(f"table: {table}{use if derivation.yardstick is not None else ''}")
    if not derivation.is_empty and len(derivation.open_edges) < 2:
        note(f"interval: {files[0]} (shape-audit check MODEL --interval {shlex.quote(str(files[0]))})")
    else:
        note("interval: none that check or audit could use: it is empty, or open at both ends")
    note(f"figures: {files[-1].parent}" if files[1:] else "figures: none; pip install 'shape-audit[board]'")
