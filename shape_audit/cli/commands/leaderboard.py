"""`shape-audit leaderboard init | build | render | verify | diff | push | card`"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.commands import leaderboard_card, leaderboard_push
from shape_audit.cli.declaring import FORMAT, Output, command, flag, output_flag
from shape_audit.cli.help_page import CommandGroup, GroupedCommand
from shape_audit.cli.progress import AuditBar, BuildBar
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.escaping import json_text
from shape_audit.leaderboard import (
    NOT_AUDITED,
    SHIPPED_MANIFEST,
    BuildOptions,
    build_leaderboard,
    differences,
    read_board,
    read_manifest,
    remeasure,
    render,
    verify,
    why_no_evidence,
    without_intervals,
)
from shape_audit.models import give_back_freed_memory
from shape_audit.parallel import processes_of_run
from shape_audit.places import place_of
from shape_audit.records import Board

HERE, FOLDER = Path("leaderboard.toml"), "leaderboard"

Folder = Annotated[str, typer.Argument(metavar="DIR|URL", help="Leaderboard directory.", show_default=True)]
Form = Annotated[Literal["text", "json"], FORMAT]


@command("file")
def init(file: Annotated[Path, typer.Argument(metavar="FILE", help="Output file.")] = HERE) -> int:
    """Write a commented manifest, which covers the models of the shipped table."""
    if file.exists():
        raise UsageError(f"{file}: is there already; name another file")
    emit(SHIPPED_MANIFEST.read_text(encoding="utf-8"), file)
    note(f"manifest: {file}; next: shape-audit leaderboard build {shlex.quote(str(file))}")
    return ExitCode.CLEAN


@command("shape-audit leaderboard build")
def build(
    options: BuildOptions,
    manifest: Annotated[
        str | None,
        typer.Argument(metavar="MANIFEST", help="Manifest (TOML), a file or URL.  [default: the shipped one]"),
    ] = None,
    folder: Annotated[
        str,
        output_flag(
            "--output", "-o", metavar="DIR|URL",
            help="Folder for records and board, here or by URL: hf://datasets/org/name, s3://, gs://.",
        ),
    ] = FOLDER,
) -> int:  # fmt: skip
    """Build the leaderboard: audit what is missing, reuse records that match, put all together.

    Without --measure, models of the shipped table need neither network nor torch. It may be killed and started again.
    """
    processes = processes_of_run()
    if processes.note:
        note(f"shape-audit: {processes.note}")
    if manifest is None and HERE.exists():  # to read it unasked would be to believe whoever put it here
        raise UsageError(
            f"there is a {HERE} here, and no manifest was named: give {HERE} to build it, or build the shipped one "
            "from another folder"
        )
    wanted = read_manifest(manifest)
    if options.measure and wanted.audit_options().load.device_map is not None:
        give_back_freed_memory()
    with BuildBar() if processes.is_first else nullcontext() as progress:
        board = build_leaderboard(wanted, folder, options, progress=progress, processes=processes)
    if board is None:  # not the process that speaks
        return ExitCode.CLEAN
    emit(_built(board), None)
    where = place_of(folder)
    note(f"board: {where}; next: shape-audit leaderboard render {shlex.quote(str(where))}")
    _note_few_windows(board)
    for note_on_record in board.notes:
        note(f"shape-audit: {note_on_record}")
    # the other shares are other jobs': what has not been tried yet is no failure of this one
    failures = [row for row in board.rows if row.failure and not (options.shard and row.failure == NOT_AUDITED)]
    for row in failures:
        note(f"shape-audit: {row.model}: {row.failure}")
    return ExitCode.INCOMPLETE if failures else ExitCode.CLEAN


def _built(board: Board) -> str:
    sides = ("shallow-wide", "inside", "deep-narrow")
    counts = dict.fromkeys(sides, 0) | Counter(row.placement for row in board.rows)
    measured = sum(row.measured is not None for row in board.rows)
    verdict = f"; evidence: {board.evidence[0].verdict}" if board.evidence else ""
    places = ", ".join(f"{count} {side}" for side, count in counts.items())
    return f"{len(board.rows):,} models: {places}; {measured} measured{verdict}\n"


@command("folder")
def render_board(folder: Folder = FOLDER) -> int:
    """Write table.parquet, table.csv, a dataset card, and one index.html that needs no network.

    Figures are drawn where models have scores to hold against their shape.
    """
    board = read_board(folder)
    for path in render(board, folder):
        emit(f"{path}\n", None)
    if not board.evidence:
        note(f"shape-audit: no figures: {why_no_evidence(board)}")
    _note_few_windows(board)
    return ExitCode.CLEAN


def _note_few_windows(board: Board) -> None:
    if few := without_intervals(board.rows):
        note(f"shape-audit: {few}")


@command("folder")
def verify_board(
    folder: Folder = FOLDER,
    again: Annotated[
        int, flag("--remeasure", metavar="N", help="Measure N random rows again, and compare.", min=0)
    ] = 0,
    seed: Annotated[int, flag(help="Random seed for choosing rows.")] = 0,
    format: Form = "text",
    output: Output = None,
) -> int:  # fmt: skip
    """Recompute every derived number from the records, and every file from those; exit code 1 if something differs."""
    found, measured = verify(folder), 0
    if again:
        with AuditBar() as progress:
            lines, measured = remeasure(folder, again, seed=seed, progress=progress)
        found += lines
    rows = len(read_board(folder).rows) if not found else 0
    if format == "json":
        emit(json_text({"findings": found, "remeasured": measured}), output)
    else:
        done = f", {measured} measured again" if measured else ""
        emit("\n".join(found or [f"{rows:,} rows: all as the records give them{done}"]) + "\n", output)
    return ExitCode.FINDINGS if found else ExitCode.CLEAN


@command("shape-audit leaderboard diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Directory or URL of the earlier leaderboard.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Directory or URL of the later one.")],
    format: Form = "text",
    output: Output = None,
) -> int:
    """Say what has changed between two boards: rows, placements, scores, measurements, the verdict."""
    found = differences(read_board(old), read_board(new))
    if format == "json":
        emit(json_text(json.dumps(found, indent=2, ensure_ascii=False)), output)
    else:
        emit("\n".join(found or ["nothing has changed"]) + "\n", output)
    return ExitCode.CLEAN


app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="A comparison leaderboard: build, look at, verify, publish.",
)
app.command("init", cls=GroupedCommand)(init)
app.command("build", cls=GroupedCommand)(build)
app.command("render", cls=GroupedCommand)(render_board)
app.command("verify", cls=GroupedCommand)(verify_board)
app.command("diff", cls=GroupedCommand)(diff)
app.command("push", cls=GroupedCommand)(leaderboard_push.push_board)
app.command("card", cls=GroupedCommand)(leaderboard_card.card)
