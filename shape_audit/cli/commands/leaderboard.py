"""`shape-audit leaderboard init | build | render | verify | diff | push | card`"""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.build_bar import BuildBar
from shape_audit.cli.commands import leaderboard_card, leaderboard_push
from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.progress_bar import ProgressBar
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.leaderboard import (
    NOT_AUDITED,
    SHIPPED_MANIFEST,
    BuildOptions,
    build_leaderboard,
    differences,
    parse_shard,
    read_board,
    read_manifest,
    remeasure,
    render,
    verify,
)
from shape_audit.parallel import rank
from shape_audit.records import Board

HERE, FOLDER = Path("leaderboard.toml"), Path("leaderboard")

Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="Of the board.", show_default=True)]
Debug = Annotated[bool, option("--debug", help="Show tracebacks.")]
Form = Annotated[Literal["text", "json"], option("--format", "-f", help="Form of the report.")]
Output = Annotated[Path | None, option("--output", "-o", metavar="FILE", help="Write the report here.")]


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="To write.")] = HERE, debug: Debug = False
) -> int:  # fmt: skip
    """Write a commented manifest, which covers the models of the shipped table."""
    try:
        if file.exists():
            raise UsageError(f"{file}: is there already; name another file")
        emit(SHIPPED_MANIFEST.read_text(encoding="utf-8"), file)
        note(f"manifest: {file}")
    except Exception as error:
        return failed(error, subject=str(file), debug=debug)
    return ExitCode.CLEAN


def build(
    manifest: Annotated[
        Path | None,
        typer.Argument(metavar="[MANIFEST]", help="[default: leaderboard.toml if it is there, else the shipped one]"),
    ] = None,
    folder: Annotated[
        Path, option("--output", "-o", metavar="DIR", help="Folder for records and board.")
    ] = FOLDER,
    measure: Annotated[
        bool, option("--measure", help="Measure gradient-space interaction too, as the manifest says.")
    ] = False,
    jobs: Annotated[int, option(help="Models audited at a time.")] = 1,
    shard: Annotated[
        str | None, option(metavar="I/K", help="Audit only the I-th of K shares of the models, for job arrays.")
    ] = None,
    keep_going: Annotated[
        bool, option("--keep-going/--fail-fast", help="Go on with the other models where one fails.")
    ] = True,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], option(help="Where to measure.")] = "auto",
    retries: Annotated[int, option(help="Tries again after a passing fault of the network.")] = 3,
    debug: Debug = False,
) -> int:  # fmt: skip
    """Build the leaderboard: audit what is missing, reuse records that answer, put all together.

    Without --measure, models of the shipped table need neither network nor torch. It may be killed and started again.
    """
    try:
        chosen = manifest or (HERE if HERE.exists() else None)
        options = BuildOptions(
            measure=measure, jobs=jobs, shard=parse_shard(shard) if shard else None, keep_going=keep_going,
            device=device, retries=retries,
        )  # fmt: skip
        with BuildBar() if rank() == 0 else nullcontext() as progress:
            board = build_leaderboard(read_manifest(chosen), folder, options, progress=progress)
        if board is None:  # not the process that speaks
            return ExitCode.CLEAN
        emit(_built(board), None)
        note(f"board: {folder}; next: shape-audit leaderboard render {folder}")
        for note_on_record in board.notes:
            note(f"shape-audit: {note_on_record}")
        # the other shares are other jobs': what has not been tried yet is no failure of this one
        failures = [row for row in board.rows if row.failure and not (shard and row.failure == NOT_AUDITED)]
        for row in failures:
            note(_plain(f"shape-audit: {row.model}: {(row.failure or '').removeprefix(f'{row.model}: ')}"))
    except Exception as error:
        return failed(error, subject="shape-audit leaderboard build", debug=debug)
    return ExitCode.INCOMPLETE if failures else ExitCode.CLEAN


def _plain(text: str) -> str:
    """Without characters that a terminal would obey: names come from anywhere."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _built(board: Board) -> str:
    sides = ("shallow-wide", "inside", "deep-narrow")
    counts: dict[str, int] = {side: sum(row.side == side for row in board.rows) for side in sides}
    measured = sum(row.measured is not None for row in board.rows)
    verdict = f"; evidence: {board.evidence[0].verdict}" if board.evidence else ""
    if unknown := sum(row.side is None for row in board.rows):
        counts["not audited"] = unknown
    places = ", ".join(f"{count} {side}" for side, count in counts.items())
    return f"{len(board.rows):,} models: {places}; {measured} measured{verdict}\n"


def render_board(folder: Folder = FOLDER, debug: Debug = False) -> int:
    """Write table.parquet, table.csv, a dataset card, figures, and one index.html that needs no network."""
    try:
        for path in render(read_board(folder), folder):
            emit(f"{path}\n", None)
    except Exception as error:
        return failed(error, subject=str(folder), debug=debug)
    return ExitCode.CLEAN


def verify_board(
    folder: Folder = FOLDER,
    again: Annotated[
        int, option("--remeasure", metavar="N", help="Measure N random rows again, and compare.", min=0)
    ] = 0,
    seed: Annotated[int, option(help="Of the random choice.")] = 0,
    format: Form = "text",
    output: Output = None,
    debug: Debug = False,
) -> int:  # fmt: skip
    """Recompute every derived number from the records, and every file from those; exit code 1 if something differs."""
    try:
        found, measured = verify(folder), 0
        if again:
            with ProgressBar() as progress:
                lines, measured = remeasure(folder, again, seed=seed, progress=progress)
            found += lines
        rows = len(read_board(folder).rows) if not found else 0
        if format == "json":
            emit(json.dumps({"findings": found, "remeasured": measured}, indent=2) + "\n", output)
        else:
            done = f", {measured} measured again" if measured else ""
            emit("\n".join(found or [f"{rows:,} rows: all as the records give them{done}"]) + "\n", output)
    except Exception as error:
        return failed(error, subject=str(folder), debug=debug)
    return ExitCode.FINDINGS if found else ExitCode.CLEAN


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Folder of the earlier board.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder of the later one.")],
    format: Form = "text",
    output: Output = None,
    debug: Debug = False,
) -> int:  # fmt: skip
    """Say what has changed between two boards: rows, placements, scores, measurements, the verdict."""
    try:
        found = differences(read_board(old), read_board(new))
        if format == "json":
            emit(json.dumps(found, indent=2, ensure_ascii=False) + "\n", output)
        else:
            emit("\n".join(found or ["nothing has changed"]) + "\n", output)
    except Exception as error:
        return failed(error, subject="shape-audit leaderboard diff", debug=debug)
    return ExitCode.CLEAN


app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="A comparison leaderboard: build, look at, verify, publish."
)
app.command("init")(init)
app.command("build")(build)
app.command("render")(render_board)
app.command("verify")(verify_board)
app.command("diff")(diff)
app.command("push")(leaderboard_push.push_board)
app.command("card")(leaderboard_card.card)
