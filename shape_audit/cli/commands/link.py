"""`shape-audit link`"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from shape_audit.cli.declaring import Format, Output, command, flag, output_flag
from shape_audit.cli.progress import AuditBar
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, MissingExtraError
from shape_audit.escaping import json_text
from shape_audit.linking import LinkOptions, facts_of_records
from shape_audit.records import check_writable
from shape_audit.reports import evidence_markdown, evidence_text
from shape_audit.scores import published_scores, read_scores, summary_of_skipped
from shape_audit.storage import records_of

PACKAGES = ("statsmodels", "matplotlib")


data_flag = partial(flag, rich_help_panel="Models and scores")


@command("shape-audit link")
def link(
    options: LinkOptions,
    records: Annotated[
        str | None,
        data_flag(metavar="DIR|URL", help="Records of audits: their shapes, scores, and what they measured."),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        data_flag(metavar="PATH", help="Result files or folders, or MODEL=PATH, beside the shipped table."),
    ] = None,
    strict: Annotated[bool, data_flag("--strict", help="Exit with 2 if a result file cannot be used.")] = False,
    figures: Annotated[Path | None, output_flag(metavar="DIR", help="Directory for two figures, PNG and SVG.")] = None,
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
    from shape_audit.linking import chosen_points, link_points, write_figures  # they bring numpy: not into every start

    imported = read_scores(scores or (), strict=strict)
    audits = records_of(records) if records else []
    points, left_out = chosen_points([*published_scores(), *imported.scores], options, facts_of_records(audits))
    with AuditBar() as progress:
        passed_over = [*left_out, *summary_of_skipped(imported.skipped)]
        found = link_points(points, options, left_out=passed_over, progress=progress.part)
    if figures is not None:
        for path in write_figures(found[0], points, figures):
            note(f"figure: {path}")
    if format == "json":
        emit(json_text([evidence.model_dump() for evidence in found]), output)
    else:
        emit({"text": evidence_text, "markdown": evidence_markdown}[format](found), output)
    return ExitCode.CLEAN
