"""`shape-audit score MODEL`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.assets import assets_folder
from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode
from shape_audit.linking import among_size
from shape_audit.reports import scores_json, scores_markdown, scores_text
from shape_audit.scores import ScoreOptions, score


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="org/name[@revision], a folder, or builtin:NAME.")],
    protocol: Annotated[
        Literal["letters", "cot"],
        option(help="letters: leaderboard_mmlu_pro, 5-shot, by log-likelihood. cot: mmlu_pro, 5-shot chain of "
                    "thought, generated."),
    ] = "letters",
    limit: Annotated[
        int | None, option(help="Ask only so many questions, with cot of each subject: a try, no score to compare.")
    ] = None,
    batch_size: Annotated[
        str | None, option(metavar="auto|auto:N|N", help="Of lm-eval.  [default: auto on a GPU, 1 on a CPU]")
    ] = None,
    max_gen_toks: Annotated[
        int | None, option(help="With cot, other than 2,048 new tokens: another protocol, and named so.")
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], option(help="Where to run.")] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"], option(help="Of the model; auto is its own.")
    ] = "auto",
    results: Annotated[
        Path | None, option(metavar="DIR", help="For lm-eval's files.  [default: in the Hub's assets cache]")
    ] = None,
    resume: Annotated[
        bool, option("--resume/--no-resume", help="Use the answers that a killed run has left.")
    ] = True,
    retries: Annotated[int, option(help="Tries again after a passing fault of the network.")] = 3,
    format: Annotated[
        Literal["text", "json", "markdown"], option("--format", "-f", help="Form of the report.")
    ] = "text",
    output: Annotated[Path | None, option("--output", "-o", metavar="FILE", help="Write the report here.")] = None,
    debug: Annotated[bool, option("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """Run MMLU-Pro on a model with lm-eval's stock tasks, and keep its result file and samples.

    The questions are TIGER-Lab/MMLU-Pro, from the Hub, its cache, or a folder of that name here. Under accelerate
    launch they are shared among GPUs. A run that was killed goes on where it was.
    """
    try:
        options = ScoreOptions(
            results=results or assets_folder("scores"), protocol=protocol, limit=limit, batch_size=batch_size,
            max_gen_toks=max_gen_toks, device=device, dtype=dtype, resume=resume, retries=retries,
        )  # fmt: skip
        run = score(model, options)
        if run is None:  # not the process that speaks
            return ExitCode.CLEAN
        record = among_size([run.record])[0]
        forms = {"text": scores_text, "json": scores_json, "markdown": scores_markdown}
        emit(forms[format](record.model, [record], ()), output)
        note(f"results: {run.results_file}")
    except Exception as error:
        return failed(error, subject=model, debug=debug)
    return ExitCode.CLEAN
