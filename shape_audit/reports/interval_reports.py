"""The reports of an interval's derivation: terminal and Markdown."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from shape_audit.records import IntervalDerivation, LossFit
from shape_audit.reports.interaction_loss import interaction_loss_lines, interaction_loss_tables
from shape_audit.reports.lengths import lengths_lines, lengths_table
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import count, interval_ends, rounded_count, significant
from shape_audit.reports.rich_tables import FittedTable, plain
from shape_audit.reports.tables import Table, budget_table, sensitivity_table
from shape_audit.reports.yardstick import yardstick_markdown, yardstick_text


def interval_sentence(derivation: IntervalDerivation) -> str:
    """The interval in one sentence, an empty one too."""
    budgets = len(derivation.budgets)
    basis = (
        f"{derivation.name}; {budgets} budget{'s' if budgets != 1 else ''} from {derivation.min_params:,.0f} parameters"
    )
    if derivation.is_empty and derivation.low is not None and derivation.high is not None:
        return (
            f"No R_D/W is within the tolerance at every budget: one asks for {derivation.low:.4f} or more, another "
            f"for {derivation.high:.4f} or less ({basis})."
        )
    if derivation.low is None and derivation.high is None:
        return f"No end of an interval of R_D/W is found: what is good reaches both ends of every scan ({basis})."
    return f"Efficient interaction interval of R_D/W: {interval_ends(derivation.low, derivation.high)} ({basis})."


def interval_sureness(derivation: IntervalDerivation) -> list[str]:
    """What resampled seeds and the parametric fit say of it, a sentence each."""
    lines = []
    seeds, fit = derivation.bootstrap, derivation.fit
    if seeds:
        ends = " and ".join(
            f"the {name} end {_range(ci)}" if ci else f"the {name} end open too often to say"
            for name, ci in (("low", seeds.low_ci), ("high", seeds.high_ci))
        )
        runs = sum(budget.runs for budget in derivation.budgets)
        lines.append(
            f"Seeds: {count(runs)} runs of {count(seeds.shapes)} shapes, drawn anew {count(seeds.draws)} times: "
            f"{ends}; empty in {seeds.empty_share * 100:.3g} %. The best shape stays the best in "
            + ", ".join(f"{best.share * 100:.0f} % ({rounded_count(best.target_params)})" for best in seeds.best)
            + "."
        )
    if fit:
        lines.append(
            f"Fit: loss = L_inf + A N^-b + c (ln R_D/W - ln a*(N))^2 leaves {significant(fit.rms, 2)} (root mean "
            f"square); c = {significant(fit.curvature, 3)}{_after(fit.curvature_ci)}{_law(fit)}."
        )
        if fit.drift is not None:
            lines.append(
                f"The fitted best R_D/W goes as N^{round(fit.drift, 2) + 0:.2f}{_after(fit.drift_ci)}{_drift(fit)}."
            )
    return lines + [f"{note[0].upper()}{note[1:]}." for note in derivation.notes]


def _edges(derivation: IntervalDerivation) -> str:
    """What the words of the budgets' table mean."""
    sentence = "An open end is the outermost shape that was scanned: it does not bind."
    if derivation.lengths:
        sentence += " All but the table of lengths is of the longest length of each budget."
    if derivation.fit and not all(best.is_scanned for best in derivation.fit.best):
        sentence += " A fitted best `beyond` lies outside of the scan."
    return sentence


def _law(fit: LossFit) -> str:
    if fit.irreducible_loss is None or fit.exponent is None:
        return ""
    return (
        f", L_inf = {significant(fit.irreducible_loss, 3)}{_after(fit.irreducible_loss_ci)}, "
        f"b = {significant(fit.exponent, 3)}{_after(fit.exponent_ci)}"
    )


def _drift(fit: LossFit) -> str:
    """What the interval of the drift allows to say."""
    if fit.drift_ci is None:
        return ""
    low, high = fit.drift_ci
    if low <= 0 <= high:
        return ": no drift with the budget is seen"
    return f": larger budgets ask for {'deeper' if low > 0 else 'wider'} shapes"


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"


def _after(ends: tuple[float, float] | None) -> str:
    return f" [{significant(ends[0], 2)}, {significant(ends[1], 2)}]" if ends else ""


def _length_tables(derivation: IntervalDerivation) -> list[Table]:
    return [lengths_table(derivation.lengths, derivation.tolerance)] if derivation.lengths else []


def _length_lines(derivation: IntervalDerivation) -> list[str]:
    return lengths_lines(derivation.lengths) if derivation.lengths else []


def _interaction_tables(derivation: IntervalDerivation) -> list[Table]:
    return interaction_loss_tables(derivation.interaction) if derivation.interaction else []


def _interaction_lines(derivation: IntervalDerivation) -> list[str]:
    return interaction_loss_lines(derivation.interaction) if derivation.interaction else []


def interval_text(derivation: IntervalDerivation) -> RenderableType:
    """The sentence, the budgets, what they follow from, the sensitivity, what shapes cost, interaction and loss."""
    return Group(
        plain(interval_sentence(derivation), style="bold"),
        plain(f"Source: {derivation.source}"),
        Text(),
        FittedTable(budget_table(derivation)),
        plain(_edges(derivation)),
        *(Group(Text(), plain(line)) for line in interval_sureness(derivation)),
        Text(),
        FittedTable(sensitivity_table(derivation)),
        *(part for table in _length_tables(derivation) for part in (Text(), FittedTable(table))),
        *(Group(Text(), plain(line)) for line in _length_lines(derivation)),
        *((Text(), yardstick_text(derivation.yardstick)) if derivation.yardstick else ()),
        *(part for table in _interaction_tables(derivation) for part in (Text(), FittedTable(table))),
        *(Group(Text(), plain(line)) for line in _interaction_lines(derivation)),
    )


def interval_markdown(derivation: IntervalDerivation) -> str:
    """Markdown with a final line end."""
    parts = [
        f"# {escaped(interval_sentence(derivation))}",
        f"Source: {escaped(derivation.source)}",
        markdown_table(budget_table(derivation)),
        _edges(derivation),
        *(escaped(line) for line in interval_sureness(derivation)),
        markdown_table(sensitivity_table(derivation)),
        *map(markdown_table, _length_tables(derivation)),
        *map(escaped, _length_lines(derivation)),
        *([yardstick_markdown(derivation.yardstick).rstrip()] if derivation.yardstick else []),
        *map(markdown_table, _interaction_tables(derivation)),
        *map(escaped, _interaction_lines(derivation)),
    ]
    return "\n\n".join(parts) + "\n"
