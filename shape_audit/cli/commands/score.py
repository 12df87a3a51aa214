"""`shape-audit score MODEL ...`"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.declaring import Format, Output, command, exit_code, flag
from shape_audit.cli.failures import failed
from shape_audit.cli.sink import emit, note
from shape_audit.cluster import ClusterOptions
from shape_audit.errors import ExitCode
from shape_audit.escaping import json_text
from shape_audit.linking import among_size
from shape_audit.places import assets_folder
from shape_audit.records import ScoreRecord
from shape_audit.reports import scores_json, scores_markdown, scores_text
from shape_audit.scores import ScoreOptions, ScoreRun, score

Found = Iterator[tuple[str, ScoreRun | Exception | None]]


@command("shape-audit score")
def score_models(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="org/name[@revision], a folder, or builtin:NAME.")
    ],
    options: ScoreOptions,
    cluster: ClusterOptions,
    format: Format = "text",
    output: Output = None,
    debug: Annotated[bool, flag("--debug", help="Show tracebacks.")] = False,
) -> int:
    """Run MMLU-Pro on a model with lm-eval's stock tasks, and keep its result file and samples.

    The questions are TIGER-Lab/MMLU-Pro, from the Hub or its cache; a folder of that name here is not looked at
    unless --questions names it. Under accelerate launch they are shared among GPUs. An interrupted run resumes where
    it was. Several models are run one by one, or on a cluster.
    """
    options = options.but(results=options.results or assets_folder("scores"))
    codes, records = {ExitCode.CLEAN}, []
    for model, found in _on_cluster(models, options, cluster) if cluster.uses_ray else _one_by_one(models, options):
        if isinstance(found, Exception):
            codes.add(failed(found, subject=model, debug=debug))
        elif found is not None:  # else this is not the process that speaks
            records += among_size([found.record])
            note(f"results: {found.results_file}")
    if records:
        _emit(records, format, output, several=len(models) > 1)
    return exit_code(codes)


def _one_by_one(models: list[str], options: ScoreOptions) -> Found:
    for model in models:
        try:
            yield model, score(model, options)
        except Exception as error:
            yield model, error


def _on_cluster(models: list[str], options: ScoreOptions, cluster: ClusterOptions) -> Found:
    from shape_audit.cli.progress import ClusterBar
    from shape_audit.cluster import scored

    with ClusterBar() as progress:
        yield from scored(models, options, cluster, progress=progress)


def _emit(
    records: list[ScoreRecord], format: Literal["text", "json", "markdown"], output: Path | None, *, several: bool
) -> None:
    if format == "json":
        found = [scores_json(record.model, [record], ()) for record in records]
        emit(json_text([json.loads(one) for one in found]) if several else found[0], output)
    elif format == "markdown":
        emit("\n".join(scores_markdown(record.model, [record], ()) for record in records), output)
    else:
        from rich.console import Group

        emit(Group(*(scores_text(record.model, [record], ()) for record in records)), output)
