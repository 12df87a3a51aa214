"""`shape-audit scores MODEL`"""

from __future__ import annotations

from typing import Annotated

import typer

from shape_audit.cli.declaring import Format, Output, Retries, command
from shape_audit.cli.sink import emit
from shape_audit.errors import ExitCode
from shape_audit.linking import among_size
from shape_audit.places import assets_folder
from shape_audit.reports import scores_json, scores_markdown, scores_text
from shape_audit.scores import KnownScoresOptions, known_scores


@command("model")
def list_scores(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="org/name[@revision], a folder, or builtin:NAME.")],
    options: KnownScoresOptions,
    retries: Retries = 3,
    format: Format = "text",
    output: Output = None,
) -> int:
    """List the MMLU-Pro scores known for a model, each with its protocol and source.

    From the table that ships, from the model's repository, and from files that lm-eval, lighteval or MMLU-Pro's own
    evaluation wrote.
    """
    known = known_scores(model, options.but(runs=assets_folder("scores")), retries=retries)
    forms = {"text": scores_text, "json": scores_json, "markdown": scores_markdown}
    emit(forms[format](known.model.repo_id, among_size(known.scores), known.warnings), output)
    return ExitCode.CLEAN
