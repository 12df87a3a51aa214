"""`shape-audit interval [TABLE]`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.cli.declaring import Format, Output, command, output_flag
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode
from shape_audit.interval import IntervalOptions, derive_interval
from shape_audit.records import check_writable
from shape_audit.reports import as_json, interval_markdown, interval_text, yardstick_markdown, yardstick_text
from shape_audit.storage import records_of
from shape_audit.yardsticks import shipped_yardsticks


@command("shape-audit interval")
def interval(
    options: IntervalOptions,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE|NAME",
            help="Folder of a sweep run, a CSV with target_params, num_hidden_layers, hidden_size, test_ce (and seed, "
            "tokens_per_param), or a yardstick: gemstones, morph, byte-sweep.  [default: the shipped sweep]",
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        output_flag(metavar="DIR", help="Write loss, interaction by protocol, and best shape, against R_D/W and "
                    "budget: PNG and SVG."),
    ] = None,
    records: Annotated[
        str | None,
        output_flag(metavar="DIR|URL", help="Records of audits on one text: interaction against loss for them, too."),
    ] = None,
    format: Format = "text",
    output: Output = None,
) -> int:  # fmt: skip
    """Derive the efficient interaction interval from a sweep table, and show how it moves with the tolerance.

    Of a yardstick, and of a table of your own, show what a shape costs by it: shapes by budget, law, bands, and how
    much they depend on single choices.
    """
    if figures is not None:
        check_writable(figures, what="figures", option="--figures")
    if table in shipped_yardsticks():
        _show_yardstick(table, figures, format, output)
        return ExitCode.CLEAN
    if table is None:
        derivation = derive_interval(None, options)
    else:
        from shape_audit.yardsticks import table_of, with_yardstick  # they bring numpy: not into every start

        table = str(table_of(table))
        derivation = with_yardstick(derive_interval(table, options), table)
    if records is not None:
        from shape_audit.interval import with_open_models  # it brings numpy, too

        derivation = with_open_models(derivation, records_of(records), draws=options.draws or 2000, seed=options.seed)
    forms = {"text": interval_text, "json": as_json, "markdown": interval_markdown}
    emit(forms[format](derivation), output)
    if figures is not None:
        from shape_audit.interval import write_figures  # these, too
        from shape_audit.yardsticks import write_yardstick_figures

        written = write_figures(derivation, table, figures)
        if derivation.yardstick is not None:
            written += write_yardstick_figures(derivation.yardstick, figures)
        for path in written:
            note(f"figure: {path}")
    return ExitCode.CLEAN


def _show_yardstick(
    name: str, figures: Path | None, format: Literal["text", "json", "markdown"], output: Path | None
) -> None:
    from shape_audit.yardsticks import write_yardstick_figures, yardstick_report  # they bring numpy

    report = yardstick_report(name)
    forms = {"text": yardstick_text, "json": as_json, "markdown": yardstick_markdown}
    emit(forms[format](report), output)
    for path in write_yardstick_figures(report, figures) if figures is not None else ():
        note(f"figure: {path}")
