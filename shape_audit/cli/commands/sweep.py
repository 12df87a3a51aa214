"""`shape-audit sweep run`"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.sink import emit, note
from shape_audit.cli.sweep_bar import SweepBar
from shape_audit.errors import ExitCode, UsageError
from shape_audit.parallel import check_launched, end_with_launcher, launch, rank, world_size
from shape_audit.reports import (
    as_json,
    interval_sentence,
    interval_sureness,
    sweep_json,
    sweep_markdown,
    sweep_plan_markdown,
    sweep_plan_text,
    sweep_text,
)
from shape_audit.sweep import SilentSweep, SweepOptions, plan_shapes, plan_sweep, run_sweep

Format = Literal["text", "json", "markdown"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train and measure fixed-budget shape sweeps.")


@app.callback()
def group() -> None:
    """Train and measure fixed-budget shape sweeps."""


@app.command("run")
def run(
    context: typer.Context,
    params: Annotated[str, option(metavar="LIST", help="Budgets of parameters: 300k,1m.")],
    depths: Annotated[str, option(metavar="LIST", help="Numbers of layers: 1,2,3,4,6,8,12,16.")],
    data: Annotated[
        str,
        option(
            metavar="PATH",
            help="Folder with train.txt, validation.txt and test.txt (or .txt.xz); one .txt, split 90/5/5 by "
            "position; or builtin:python-docs.",
        ),
    ],
    folder: Annotated[
        Path | None,
        option("--output", "-o", metavar="DIR", help="Folder of table.csv, models/ and records/. A run that was "
               "killed goes on there."),
    ] = None,
    is_plan: Annotated[
        bool, option("--plan", help="Show shapes, operations and estimated time, and stop.")
    ] = False,
    tokens_per_param: Annotated[
        float, option(help="Bytes to predict in training, for each parameter of the budget.")
    ] = 60.0,
    runs: Annotated[int, option(help="Models of each shape, of the seeds SEED, SEED + 1 ...")] = 1,
    seed: Annotated[int, option(help="Of first weights and of batches.")] = 0,
    family: Annotated[
        str, option(help="llama, mistral, qwen2, qwen3, gemma, gemma3_text, gpt2 or gpt_neox.")
    ] = "llama",
    tolerance: Annotated[float, option(help="How far a shape may miss its budget, as a fraction.")] = 0.03,
    seq_len: Annotated[int, option(help="Bytes of a window, in training and measuring.")] = 256,
    batch: Annotated[int, option(help="Windows a training step, over all processes.")] = 32,
    learning_rate: Annotated[
        float | None, option(help="Peak for every width.  [default: by width, see the README]")
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], option(help="Where to train and measure.")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        option(help="Of matrix products in training; auto is bfloat16 where the hardware has it."),
    ] = "auto",
    num_processes: Annotated[
        int | None, option(help="Share each step among so many processes on this machine.  [default: 1]")
    ] = None,
    eval_bytes: Annotated[
        int | None, option(help="Of test and validation text, at most so many bytes.  [default: all]")
    ] = None,
    windows: Annotated[int, option(help="Windows of the test text for the interaction profiles.")] = 256,
    save_seconds: Annotated[float, option(help="Seconds after which a training is saved again.")] = 60.0,
    format: Annotated[Format, option("--format", "-f", help="Form of the report.")] = "text",
    debug: Annotated[bool, option("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """Train every shape of a parameter budget on the same bytes, and measure loss and interaction of each.

    Each finished model is a line of DIR/table.csv, which shape-audit interval reads, a folder in DIR/models, which
    shape-audit audit reads, and two records in DIR/records. At the end DIR/interval.json holds the interval for
    shape-audit check, and DIR/figures what the table shows.
    """
    try:
        if folder is None and not is_plan:
            raise UsageError("--output: a sweep needs a folder for its table and models (or see --plan)")
        if num_processes is not None and not is_plan:
            if world_size() == 1 and num_processes != 1:
                return launch(context.obj, num_processes)
            check_launched(num_processes)
            end_with_launcher()
        options = SweepOptions(
            params=params, depths=depths, data=data, output=folder, tokens_per_param=tokens_per_param, runs=runs,
            seed=seed, family=family, tolerance=tolerance, seq_len=seq_len, batch=batch,
            learning_rate=learning_rate, device=device, precision=precision, eval_bytes=eval_bytes, windows=windows,
            save_seconds=save_seconds,
        )  # fmt: skip
        if is_plan:
            _show_plan(options, format)
        else:
            _run(options, format)
    except Exception as error:
        return failed(error, subject="shape-audit sweep", debug=debug)
    return ExitCode.CLEAN


def _show_plan(options: SweepOptions, format: Format) -> None:
    with SweepBar() as progress:
        plan = plan_sweep(options, progress=progress)
    forms = {"text": sweep_plan_text, "json": as_json, "markdown": sweep_plan_markdown}
    emit(forms[format](plan), None)


def _run(options: SweepOptions, format: Format) -> None:
    is_first = rank() == 0  # of several processes, the one that speaks
    if is_first:
        for cell in plan_shapes(options)[1]:
            note(f"left out: {cell.target_params:,} parameters in {cell.num_hidden_layers} layers: {cell.reason}")
    with SweepBar() if is_first else nullcontext(SilentSweep()) as progress:
        rows = run_sweep(options, progress=progress)
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
    note(f"table: {OutputFolder(folder).table}")
    if not derivation.is_empty and len(derivation.open_edges) < 2:
        note(f"interval: {files[0]} (shape-audit check MODEL --interval {files[0]})")
    else:
        note("interval: none that check or audit could use: it is empty, or open at both ends")
    note(f"figures: {files[-1].parent}" if files[1:] else "figures: none; pip install 'shape-audit[board]'")
