"""`shape-audit leaderboard push`"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from shape_audit.cli.declaring import FORMAT, command, flag
from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.leaderboard import PushOptions, push, push_json, push_text


@command("repo")
def push_board(
    repo: Annotated[
        str, flag(metavar="org/name", help="The dataset repository; made if there is none.")
    ],
    options: PushOptions,
    folder: Annotated[str, typer.Argument(metavar="DIR|URL", help="The rendered leaderboard.")] = "leaderboard",
    format: Annotated[Literal["text", "json"], FORMAT] = "text",
) -> int:  # fmt: skip
    """Upload a rendered leaderboard to a dataset repository on the Hub, in one commit.

    Only files that a board has, and only those that differ. It needs a token with the write role: `hf auth login`.
    """
    result = push(folder, repo, options)
    emit({"text": push_text, "json": push_json}[format](result), None)
    return ExitCode.CLEAN
