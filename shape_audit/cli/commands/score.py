"""`shape-audit score MODEL`"""

from __future__ import annotations

from typing import Annotated

import typer

from shape_audit.cli.declaring import Format, Output, command
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode
from shape_audit.linking import among_size
from shape_audit.places import assets_folder
from shape_audit.reports import scores_json, scores_markdown, scores_text
from shape_audit.scores import ScoreOptions, score


@command("model")
def score_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="org/name[@revision], a folder, or builtin:NAME.")],
    options: ScoreOptions,
    format: Format = "text",
    output: Output = None,
) -> int:
    """Run MMLU-Pro on a model with lm-eval's stock tasks, and keep its result file and samples.

    The questions are TIGER-Lab/MMLU-Pro, from the Hub or its cache; a folder of that name here is not looked at
    unless --questions names it. Under accelerate launch they are shared among GPUs. An interrupted run resumes where
    it was.
    """
    run = score(model, options.but(results=options.results or assets_folder("scores")))
    if run is None:  # not the process that speaks
        return ExitCode.CLEAN
    record = among_size([run.record])[0]
    forms = {"text": scores_text, "json": scores_json, "markdown": scores_markdown}
    emit(forms[format](record.model, [record], ()), output)
    note(f"results: {run.results_file}")
    return ExitCode.CLEAN
