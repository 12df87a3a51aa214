"""`shape-audit leaderboard push`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.leaderboard import push, push_json, push_text


def command(
    repo: Annotated[
        str, option(metavar="org/name", help="The dataset repository; made if there is none.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The rendered leaderboard.")] = Path("leaderboard"),
    private: Annotated[
        bool, option("--private", help="Make a new repository private; an existing public one is refused.")
    ] = False,
    is_dry_run: Annotated[
        bool, option("--dry-run", help="Say what would be sent and deleted, and send nothing.")
    ] = False,
    create_pr: Annotated[
        bool, option("--create-pr", help="Open a pull request instead of changing the main branch.")
    ] = False,
    retries: Annotated[int, option(min=0, help="Tries again after a passing fault of the network.")] = 3,
    format: Annotated[Literal["text", "json"], option("--format", "-f", help="Form of the report.")] = "text",
    debug: Annotated[bool, option("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """Upload a rendered leaderboard to a dataset repository on the Hub, in one commit.

    Only files that a board has, and only those that differ. It needs a token with the write role: `hf auth login`.
    """
    try:
        result = push(folder, repo, private=private, create_pr=create_pr, dry_run=is_dry_run, retries=retries)
        emit({"text": push_text, "json": push_json}[format](result), None)
    except Exception as error:
        return failed(error, subject=repo, debug=debug)
    return ExitCode.CLEAN
