"""Evidence for and against the link, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shape_audit.records import LinkEvidence
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import interval_ends
from shape_audit.reports.rich_tables import plain, rich_table
from shape_audit.reports.tables import Table

_NAMES = {
    "r_dw": "R_D/W", "log_distance": "log-distance to the interval", "aofe_ratio": "AOFE-ratio, embedding",
    "aofe_normalized": "AOFE / tr², embedding", "effective_rank": "effective rank, embedding",
}  # fmt: skip


def evidence_text(found: Sequence[LinkEvidence]) -> RenderableType:
    """Each set of models: its paragraph, then its numbers."""
    parts: list[RenderableType] = []
    for evidence in found:
        parts += [plain(_heading(evidence), style="bold"), Padding(plain(evidence.summary), (0, 0, 1, 2))]
        parts += [rich_table(_table(evidence)), Text()]
    return Group(*parts, *(Padding(plain(f"- {line}"), (0, 0, 0, 2)) for line in _warnings(found)))


def evidence_markdown(found: Sequence[LinkEvidence]) -> str:
    """Markdown with a final line end."""
    parts = []
    for evidence in found:
        parts += [f"# {escaped(_heading(evidence))}", escaped(evidence.summary), markdown_table(_table(evidence))]
    return "\n\n".join([*parts, "\n".join(f"- {escaped(line)}" for line in _warnings(found))]) + "\n"


def _heading(evidence: LinkEvidence) -> str:
    floor = "" if evidence.with_floor else f", without the {evidence.n_at_floor} at the chance floor"
    return (
        f"{evidence.verdict.capitalize()}: {evidence.n_models} models, {evidence.n_families} families, "
        f"{evidence.n_shapes} shapes, {evidence.protocol}{floor}"
    )


def _table(evidence: LinkEvidence) -> Table:
    rows = [
        (
            _NAMES.get(predictor.name, predictor.name) if number == 0 else "",
            " and ".join(one.given) or "nothing",
            str(one.n),
            "–" if one.rho is None else f"{one.rho:+.2f}",
            *(_ends(ends) for ends in (one.ci_models, one.ci_families, one.ci_shapes, one.without_a_family)),
            f"{one.p_permutation:.3f}",
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
    lines = [
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
