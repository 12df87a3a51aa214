"""The table of `--nfa`: the weights' own interaction, and how it compares with that of gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shape_audit.records import AuditRecord, WeightInteraction
from shape_audit.reports.numbers import ratio, significant
from shape_audit.reports.tables import Cell, Table

WEIGHTS_CAVEAT = (
    "Means over blocks, below them lowest and highest (random: over blocks and 3 seeds). NFA: cosine between WᵀW and "
    "the AGOP of the loss gradient at the input of W, off the diagonal. The same architecture re-initialised (random) "
    "is not at zero either: only the difference is what training made."
)


def weights_table(record: AuditRecord) -> Table | None:
    """One row a role, then embedding and unembedding; None where weights were not asked for."""
    if not record.weights:
        return None
    by_role: dict[str, list[WeightInteraction]] = {}
    for weight in record.weights:
        by_role.setdefault(weight.role, []).append(weight)
    ordered = sorted(by_role, key=lambda role: role in ("embedding", "unembedding"))
    columns = ("weights", "AOFE-ratio", "mean cos²", "NFA", "random", "difference")
    rows = tuple(_row(role, by_role[role]) for role in ordered)
    return Table("Weights (Neural Feature Ansatz, loss gradients)", columns, rows)


def _row(role: str, weights: Sequence[WeightInteraction]) -> tuple[Cell, ...]:
    ranges = [weight.nfa_correlation_random_range for weight in weights]
    seeds = [end for low_and_high in ranges for end in low_and_high or ()]
    pairs = [(weight.nfa_correlation, weight.nfa_correlation_random) for weight in weights]
    differences = [None if trained is None or random is None else trained - random for trained, random in pairs]
    return (
        role,
        _mean_and_range([weight.aofe_ratio for weight in weights], ratio),
        _mean_and_range([weight.mean_cos2 for weight in weights], significant),
        _mean_and_range([trained for trained, _ in pairs], ratio),
        _mean_and_range([random for _, random in pairs], ratio, seeds),
        _mean_and_range(differences, ratio),
    )


def _mean_and_range(
    values: Sequence[float | None], written: Callable[[float], str], spread: Sequence[float] = ()
) -> Cell:
    """The mean of what is known, and below it the lowest and highest of that, or of `spread`."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = written(sum(known) / len(known))
    ends = spread or known
    return (mean, f"{significant(min(ends), 2)}…{significant(max(ends), 2)}") if len(ends) > 1 else mean
