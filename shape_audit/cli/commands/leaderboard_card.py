"""`shape-audit leaderboard card MODEL`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shape_audit.cli.declaring import command, flag
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode
from shape_audit.leaderboard import find_row, model_card_metadata, model_card_section, read_board


@command("model")
def card(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name in the leaderboard.")],
    board: Annotated[
        str, flag(metavar="DIR|URL", help="Leaderboard directory.")
    ] = "leaderboard",
    metadata: Annotated[
        bool, flag("--metadata", help="Put the YAML header with its scores (model-index) before it.")
    ] = False,
    output: Annotated[Path | None, flag("--output", "-o", metavar="FILE", help="Output file.")] = None,
) -> int:  # fmt: skip
    """Write what the leaderboard knows of one model as a section for its model card."""
    found = read_board(board)
    row = find_row(found, model)
    section = model_card_section(row, board_title=found.title, interval=found.interval, caveat=found.caveat)
    header = model_card_metadata(row) if metadata else ""
    if metadata and not header:
        note(f"{model}: no score to put into metadata (limited ones compare with nothing; posted ones are there)")
    emit(f"{header}\n{section}" if header else section, output)
    return ExitCode.CLEAN
