"""`shape-audit leaderboard push`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.declaring import Retries, command, flag
from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.leaderboard import push, push_json, push_text


@command("repo")
def push_board(
    repo: Annotated[
        str, flag(metavar="org/name", help="The dataset repository; made if there is none.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The rendered leaderboard.")] = Path("leaderboard"),
    private: Annotated[
        bool, flag("--private", help="Make a new repository private; an existing public one is refused.")
    ] = False,
    is_dry_run: Annotated[
        bool, flag("--dry-run", help="Say what would be sent and deleted, and send nothing.")
    ] = False,
    create_pr: Annotated[
        bool, flag("--create-pr", help="Open a pull request instead of changing the main branch.")
    ] = False,
    retries: Retries = 3,
    format: Annotated[Literal["text", "json"], flag("--format", "-f", help="Report format.")] = "text",
) -> int:  # fmt: skip
    """Upload a rendered leaderboard to a dataset repository on the Hub, in one commit.

    Only files that a board has, and only those that differ. It needs a token with the write role: `hf auth login`.
    """
    result = push(folder, repo, private=private, create_pr=create_pr, dry_run=is_dry_run, retries=retries)
    emit({"text": push_text, "json": push_json}[format](result), None)
    return ExitCode.CLEAN
