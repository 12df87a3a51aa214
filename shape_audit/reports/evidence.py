"""Evidence for and against the link, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shape_audit.records import ControlledEvidence, LinkEvidence
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import interval_ends, p_value
from shape_audit.reports.rich_tables import FittedTable, bullets, plain
from shape_audit.reports.tables import Table

_NAMES = {
    "r_dw": "R_D/W", "log_distance": "log-distance to the interval", "aofe_ratio": "AOFE-ratio, embedding",
    "aofe_normalized": "AOFE / tr², embedding", "effective_rank": "effective rank, embedding",
    "share_of_width": "effective rank / width, embedding", "channel_alignment": "channel alignment, embedding",
}  # fmt: skip


def evidence_text(found: Sequence[LinkEvidence]) -> RenderableType:
    """What models trained alike show, then each set of published models: its paragraph, then its numbers."""
    parts: list[RenderableType] = []
    for one in found[0].controlled:
        parts += [plain(_claim(one), style="bold"), Padding(plain(one.summary), (0, 0, 1, 2))]
        parts += [part for table in _controlled_tables(one) for part in (FittedTable(table), Text())]
    for evidence in found:
        parts += [plain(_heading(evidence), style="bold"), Padding(plain(evidence.summary), (0, 0, 1, 2))]
        parts += [FittedTable(_table(evidence)), Text()]
    return Group(*parts, *bullets(_warnings(found)))


def evidence_markdown(found: Sequence[LinkEvidence]) -> str:
    """Markdown with a final line end."""
    parts = []
    for one in found[0].controlled:
        parts += [f"# {escaped(_claim(one))}", escaped(one.summary), *map(markdown_table, _controlled_tables(one))]
    for evidence in found:
        parts += [f"# {escaped(_heading(evidence))}", escaped(evidence.summary), markdown_table(_table(evidence))]
    return "\n\n".join([*parts, "\n".join(f"- {escaped(line)}" for line in _warnings(found))]) + "\n"


def _claim(evidence: ControlledEvidence) -> str:
    claim = {"loss": "Loss at equal size", "benchmarks": "Benchmarks at equal size"}[evidence.claim]
    return f"{claim}. {evidence.verdict.capitalize()}: {evidence.n_models} models trained alike, {evidence.suite}"


def _controlled_tables(evidence: ControlledEvidence) -> list[Table]:
    """Accuracy by budget and R_D/W; nothing for the loss, of which `interval gemstones` has the numbers."""
    if not evidence.budgets:
        return []
    rows = tuple(
        (budget.name, " ".join(f"{shape.r_dw:.4f}:{shape.accuracy:.1f}" for shape in budget.shapes))
        for budget in evidence.budgets
    )
    title = "Points above guessing, moved to the size of the budget, after R_D/W"
    return [Table(title, ("budget", "R_D/W:points"), rows, numeric=False)]


def _heading(evidence: LinkEvidence) -> str:
    floor = "" if evidence.with_floor else f", without the {evidence.n_at_floor} at the chance floor"
    return (
        f"MMLU-Pro across families. {evidence.verdict.capitalize()}: {evidence.n_models} models, "
        f"{evidence.n_families} families, {evidence.n_shapes} shapes, {evidence.protocol}{floor}"
    )


def _table(evidence: LinkEvidence) -> Table:
    rows = [
        (
            _NAMES.get(predictor.name, predictor.name) if number == 0 else "",
            " and ".join(one.given) or "nothing",
            str(one.n),
            "–" if one.rho is None else f"{one.rho:+.2f}",
            *(_ends(ends) for ends in (one.ci_models, one.ci_families, one.ci_shapes, one.without_a_family)),
            p_value(one.p_permutation),
        )
        for predictor in evidence.predictors
        for number, one in enumerate(predictor.associations)
    ]
    columns = ("score against", "given", "n", "rho", "95 %, models", "families", "shapes", "without a family", "p")
    return Table("Rank correlation with the score", columns, tuple(rows), numeric=False)


def _ends(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{ends[0]:+.2f} {ends[1]:+.2f}"


def _warnings(found: Sequence[LinkEvidence]) -> list[str]:
    first = found[0]
    lines = [f"Three claims, three grades, none pooled; trained alike: {one.source}." for one in first.controlled[:1]]
    lines += [
        f"Interval {first.interval.name}: {interval_ends(first.interval.low, first.interval.high)}, "
        f"{first.interval.source}.",
        f"95 %: {first.draws:,} resamples of models, of whole families, of all models of one shape; p: {first.draws:,} "
        f"shuffles of the quantity within fifths of size; seed {first.seed}.",
    ]
    if first.n_at_floor:
        lines.append(
            f"{first.n_at_floor} models score at or below 12 %, which cannot be told from guessing. Leaving them out "
            "selects on the outcome: those figures are shown beside, not instead."
        )
    return lines + [f"left out: {line}" for line in first.left_out]
