"""The reports of a yardstick: terminal and Markdown."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from shape_audit.records import ShapeGroup, YardstickReport
from shape_audit.reports.cost import cost_percent
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import rounded_count, significant
from shape_audit.reports.rich_tables import plain, rich_table
from shape_audit.reports.tables import Table


def yardstick_text(report: YardstickReport) -> RenderableType:
    """The law in a sentence, then groups, sensitivity, other questions, doubts."""
    parts: list[RenderableType] = [plain(yardstick_sentence(report), style="bold")]
    parts += [plain(line) for line in _sentences(report)]
    for table in _tables(report):
        parts += [Text(), rich_table(table)]
    return Group(*parts, Text(), *(plain(f"- {doubt}") for doubt in report.doubts))


def yardstick_markdown(report: YardstickReport) -> str:
    """Markdown with a final line end."""
    parts = [f"# {escaped(yardstick_sentence(report))}", *(escaped(line) for line in _sentences(report))]
    parts += [markdown_table(table) for table in _tables(report)]
    return "\n\n".join([*parts, "\n".join(f"- {escaped(doubt)}" for doubt in report.doubts)]).rstrip() + "\n"


def yardstick_sentence(report: YardstickReport) -> str:
    """The best shape, and what others cost."""
    law = report.law
    bands = ", ".join(
        f"{100 * band.loss_excess:g} % in [{significant(band.low, 2)}, {significant(band.high, 3)}]"
        for band in report.bands
    )
    return (
        f"By {report.description}, the best R_D/W at equal {report.basis} parameters is {law.a_star:.4f}"
        f"{_ends(law.a_star_ci)}; a shape costs at most {bands}."
    )


def _sentences(report: YardstickReport) -> list[str]:
    law = report.law
    low, high = (rounded_count(round(end)) for end in report.params_range)
    reach = f"R_D/W {report.r_dw_range[0]:.4f} to {report.r_dw_range[1]:.4f}, {low} to {high} parameters"
    if report.tokens_range:
        reach += ", {} to {} tokens".format(*(rounded_count(round(end)) for end in report.tokens_range))
    lines = [
        f"Source: {report.source}",
        f"Law: ln(loss / best loss) = c (ln R_D/W - ln {law.a_star:.4f})^2, c = {significant(law.c)}{_ends(law.c_ci)}. "
        f"It leaves {cost_percent(law.residual_sd)} (standard deviation of {law.shapes} shapes), sizes alone "
        f"{cost_percent(law.residual_sd_without_shape)}. Intervals: 95 %, shapes drawn anew {law.draws:,} times.",
        f"Range: {reach}.",
    ]
    if law.drift is not None:
        moves = law.drift_ci is None or law.drift_ci[0] <= 0 <= law.drift_ci[1]
        seen = "no drift with the size is seen" if moves else "the best shape moves with the size"
        lines.append(f"Fitted with a drift, the best R_D/W goes as N^{law.drift:.2f}{_ends(law.drift_ci)}: {seen}.")
    if report.time_elasticity is not None and report.time_elasticity_total is not None:
        lines.append(
            f"Training time a token goes as R_D/W^{report.time_elasticity:.2f} at equal non-embedding parameters, "
            f"R_D/W^{report.time_elasticity_total:.2f} at equal total ones."
        )
    return lines


def _tables(report: YardstickReport) -> list[Table]:
    tables = [_groups(report.groups)]
    if report.sensitivity:
        rows = tuple(
            (each.name, str(each.shapes), f"{each.a_star:.4f}{_ends(each.a_star_ci)}", significant(each.c),
             cost_percent(each.residual_sd))
            for each in report.sensitivity
        )  # fmt: skip
        tables.append(Table("The law on other choices", ("", "shapes", "best R_D/W", "c", "s.d."), rows))
    others = [
        (f"{rounded_count(round(best.at))} total parameters (own vocabulary)", f"{best.r_dw:.4f}")
        for best in report.best_at_total_params
    ] + [
        (f"1B non-embedding parameters, training time of {rounded_count(round(best.at))} tokens", f"{best.r_dw:.4f}")
        for best in report.best_at_tokens
    ]
    if others:
        tables.append(Table("Best shape at equal", ("", "R_D/W"), tuple(others)))
    if report.other_laws:
        laws = tuple((law.name, rounded_count(round(law.params)), f"{law.best_r_dw:.3f}") for law in report.other_laws)
        tables.append(Table("Other laws", ("", "non-embedding", "best R_D/W"), laws))
    return tables


def _groups(groups: list[ShapeGroup]) -> Table:
    rows: list[tuple[str, ...]] = []
    for group in groups:
        for shape in group.shapes:
            is_best = shape.r_dw == group.best_r_dw
            rows.append(
                (
                    group.name,
                    f"{shape.num_hidden_layers} × {shape.hidden_size:,}",
                    f"{shape.r_dw:.4f}",
                    ("best, outermost tested" if group.is_edge else "best")
                    if is_best
                    else f"+{100 * shape.loss_excess:.2f} %",
                    "–" if shape.seconds_per_mtoken is None else f"{shape.seconds_per_mtoken:.1f}",
                )
            )
    columns: tuple[str, ...] = ("budget", "layers × width", "R_D/W", "loss", "device s / M tokens")
    if all(shape.seconds_per_mtoken is None for group in groups for shape in group.shapes):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Table("Shapes by budget", columns, tuple(rows))


def _ends(ends: tuple[float, float] | None) -> str:
    return f" [{significant(ends[0])}, {significant(ends[1])}]" if ends else ""
