"""`shape-audit scores MODEL`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.assets import assets_folder
from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.linking import among_size
from shape_audit.reports import scores_json, scores_markdown, scores_text
from shape_audit.scores import known_scores


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="org/name[@revision], a folder, or builtin:NAME.")],
    scores: Annotated[
        list[Path] | None, option(metavar="PATH", help="Result files or folders of lm-eval; may be repeated.")
    ] = None,
    posted: Annotated[
        bool, option("--posted/--no-posted", help="Look for scores posted in the model's repository.")
    ] = True,
    retries: Annotated[int, option(help="Tries again after a passing fault of the network.")] = 3,
    format: Annotated[
        Literal["text", "json", "markdown"], option("--format", "-f", help="Form of the report.")
    ] = "text",
    output: Annotated[Path | None, option("--output", "-o", metavar="FILE", help="Write the report here.")] = None,
    debug: Annotated[bool, option("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """List the MMLU-Pro scores known for a model, each with its protocol and source.

    From the table that ships, from the model's repository, and from files that lm-eval wrote.
    """
    try:
        known = known_scores(model, scores or (), runs=assets_folder("scores"), posted=posted, retries=retries)
        forms = {"text": scores_text, "json": scores_json, "markdown": scores_markdown}
        emit(forms[format](known.model.repo_id, among_size(known.scores), known.warnings), output)
    except Exception as error:
        return failed(error, subject=model, debug=debug)
    return ExitCode.CLEAN
