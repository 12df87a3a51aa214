"""The reports of a yardstick: terminal and Markdown."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from shape_audit.records import Comparison, YardstickReport
from shape_audit.reports.cost import cost_percent
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import rounded_count, significant
from shape_audit.reports.rich_tables import FittedTable, plain
from shape_audit.reports.tables import Table


def yardstick_text(report: YardstickReport) -> RenderableType:
    """The law in a sentence, then groups, sensitivity, other questions, doubts."""
    parts: list[RenderableType] = [plain(yardstick_sentence(report), style="bold")]
    parts += [plain(line) for line in _sentences(report)]
    for table in _tables(report):
        parts += [Text(), FittedTable(table)]
    doubts = (plain(f"- {doubt}") for doubt in report.doubts)
    return Group(*parts, *((Text(), *doubts) if report.doubts else ()))


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
        f"The losses of {law.shapes} shapes scatter around it by {cost_percent(law.residual_sd)} (residual standard "
        f"deviation); without a term for the shape, by {cost_percent(law.residual_sd_without_shape)}. Brackets are "
        f"95 % intervals from {law.draws:,} resamples of the shapes.",
        f"Range: {reach}.",
    ]
    if law.drift is not None:
        moves = law.drift_ci is None or law.drift_ci[0] <= 0 <= law.drift_ci[1]
        seen = "no drift with size is seen" if moves else "the best shape moves with size"
        lines.append(
            f"If the best R_D/W may drift with size, it goes as N^{law.drift:.2f}{_ends(law.drift_ci, 2)}: {seen}."
        )
    if report.time_elasticity is not None and report.time_elasticity_total is not None:
        lines.append(
            f"Training time per token grows as R_D/W^{report.time_elasticity:.2f} at equal non-embedding parameters, "
            f"and as R_D/W^{report.time_elasticity_total:.2f} at equal total parameters."
        )
    return [*lines, _legend(report)]


def _legend(report: YardstickReport) -> str:
    """What the columns of the shapes' table are."""
    legend = f"Shapes by budget: loss above the best of the budget, in per cent, at equal {report.basis} parameters"
    if report.comparisons:
        legend += (
            ", then at equal total parameters and at equal training time (of the fastest shape) after so many tokens; "
            "device s: accelerator-seconds per million tokens"
        )
    return f"{legend}. *: the outermost shape tested, a better one may lie beyond."


def _tables(report: YardstickReport) -> list[Table]:
    tables = [_groups(report)]
    if report.sensitivity:
        rows = tuple(
            (each.name, str(each.shapes), f"{each.a_star:.4f}{_ends(each.a_star_ci)}", significant(each.c),
             cost_percent(each.residual_sd))
            for each in report.sensitivity
        )  # fmt: skip
        tables.append(Table("The law on other choices of data", ("", "shapes", "best R_D/W", "c", "s.d."), rows))
    others = [
        (f"{rounded_count(round(best.at))} total parameters, its vocabulary", f"{best.r_dw:.4f}")
        for best in report.best_at_total_params
    ] + [
        (f"training time, {rounded_count(round(best.at))} tokens and 1B non-embedding parameters", f"{best.r_dw:.4f}")
        for best in report.best_at_tokens
    ]
    if others:
        tables.append(Table("Best shape at equal", ("", "R_D/W"), tuple(others)))
    if report.other_laws:
        laws = tuple((law.name, rounded_count(round(law.params)), f"{law.best_r_dw:.3f}") for law in report.other_laws)
        tables.append(Table("Other laws", ("", "non-embedding", "best R_D/W"), laws))
    return tables


def _groups(report: YardstickReport) -> Table:
    """A row for each shape, a column for each question that is put to all of them."""
    compared = [
        {(shape.budget, shape.num_hidden_layers, shape.hidden_size): shape.loss_excess for shape in one.shapes}
        for one in report.comparisons
    ]
    is_timed = any(shape.seconds_per_mtoken for group in report.groups for shape in group.shapes)
    rows = []
    for group in report.groups:
        for number, shape in enumerate(group.shapes):
            sizes = shape.num_hidden_layers, shape.hidden_size
            mark = "*" * (number in (0, len(group.shapes) - 1))
            excesses = (shape.loss_excess, *(one[group.name, *sizes] for one in compared))
            cells = (f"+{100 * excess:.2f}" if excess else f"best{mark}" for excess in excesses)
            seconds = ("–" if shape.seconds_per_mtoken is None else f"{shape.seconds_per_mtoken:.1f}",) * is_timed
            rows.append((group.name, f"{sizes[0]} × {sizes[1]:,}", f"{shape.r_dw:.4f}", *cells, *seconds))
    columns = [
        "budget",
        "shape",
        "R_D/W",
        report.basis.replace("embedding", "emb."),
        *map(_question, report.comparisons),
    ]
    return Table("Shapes by budget", (*columns, *(("device s",) * is_timed)), tuple(rows))


def _question(comparison: Comparison) -> str:
    equal = "total" if comparison.price == "tokens" else "time"
    return f"{equal}, {comparison.tokens / 1e9:g}B"


def _ends(ends: tuple[float, float] | None, digits: int = 3) -> str:
    return f" [{significant(ends[0], digits)}, {significant(ends[1], digits)}]" if ends else ""
