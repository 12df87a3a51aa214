"""`shape-audit link`"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from shape_audit.cli.declaring import Format, Output, command, flag
from shape_audit.cli.progress import AuditBar
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, MissingExtraError
from shape_audit.escaping import json_text
from shape_audit.interval import read_interval, shipped_interval
from shape_audit.linking import facts_of_records, make_points, parse_params
from shape_audit.records import check_writable, read_record_folder
from shape_audit.reports import evidence_markdown, evidence_text
from shape_audit.scores import LM_EVAL_LETTERS, published_scores, read_scores, summary_of_skipped

PACKAGES = ("statsmodels", "matplotlib")


@command("shape-audit link")
def link(
    records: Annotated[
        Path | None, flag(metavar="DIR", help="Records of audits: their shapes, scores, and what they measured.")
    ] = None,
    scores: Annotated[
        list[Path] | None,
        flag(metavar="PATH", help="Result files or folders, or MODEL=PATH, beside the shipped table."),
    ] = None,
    strict: Annotated[bool, flag("--strict", help="Exit with 2 if a result file cannot be used.")] = False,
    protocol: Annotated[
        str, flag(help="Score protocol; others are ignored. With +chat_template for any model's own.")
    ] = LM_EVAL_LETTERS,
    params: Annotated[str, flag(metavar="LOW:HIGH", help="Parameters of the models.")] = "1e8:1.5e10",
    base_only: Annotated[
        bool, flag("--base-only/--all", help="Leave out instruction-tuned models.")
    ] = True,
    interval: Annotated[Path | None, flag(metavar="FILE", help="Interval JSON to use, not the shipped one.")] = None,
    draws: Annotated[int, flag(help="Resamples and permutations.")] = 10_000,
    seed: Annotated[int, flag(help="Random seed for resampling and permutations.")] = 0,
    figures: Annotated[Path | None, flag(metavar="DIR", help="Directory for two figures, PNG and SVG.")] = None,
    format: Format = "text",
    output: Output = None,
) -> int:  # fmt: skip
    """Say what the shapes of real models have to do with their MMLU-Pro scores: evidence for and against.

    Without options: the shipped table of shapes and published scores; no network.
    """
    if figures is not None:
        check_writable(figures, what="figures", option="--figures")
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise MissingExtraError(f"link needs {', '.join(missing)}; pip install 'shape-audit[board]'")
    from shape_audit.linking import link_points, write_figures  # they bring numpy: not into every start

    against = read_interval(interval) if interval else shipped_interval()
    imported = read_scores(scores or (), strict=strict)
    audits = read_record_folder(records) if records else []
    own = [score for record in audits for score in record.scores or ()]
    points, left_out = make_points(
        [*published_scores(), *imported.scores, *own], against, protocol=protocol, params=parse_params(params),
        base_only=base_only, facts=facts_of_records(audits),
    )  # fmt: skip
    with AuditBar() as progress:
        found = link_points(
            points, protocol=protocol, interval=against,
            left_out=[*left_out, *summary_of_skipped(imported.skipped)], draws=draws, seed=seed,
            progress=progress.part,
        )  # fmt: skip
    if figures is not None:
        for path in write_figures(found[0], points, figures):
            note(f"figure: {path}")
    if format == "json":
        emit(json_text([evidence.model_dump() for evidence in found]), output)
    else:
        emit({"text": evidence_text, "markdown": evidence_markdown}[format](found), output)
    return ExitCode.CLEAN
