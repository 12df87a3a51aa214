"""The best shape against the length of training: a table, and how it drifts in a sentence."""

from __future__ import annotations

from shape_audit.records import BestAgainstLength, LengthDrift, LengthRange
from shape_audit.reports.numbers import interval_ends, rounded_count, significant
from shape_audit.reports.tables import Table, fitted_best


def lengths_table(found: BestAgainstLength, tolerance: float) -> Table:
    """A line a budget and length."""
    columns = ("budget", "tokens/param", "best", "loss", f"within {tolerance * 100:g} %", "over seeds", "fitted best")
    return Table("Best R_D/W against the length of training", columns, tuple(map(_line, found.ranges)))


def _line(one: LengthRange) -> tuple[str, ...]:
    budget, seeds = one.range, one.seeds
    ends = (("low", budget.low), ("high", budget.high))
    return (
        rounded_count(budget.target_params),
        f"{one.tokens_per_param:g}",
        f"{budget.best_r_dw:.4f}",
        significant(budget.best_loss, 4),
        interval_ends(*(end if edge not in budget.open_edges else None for edge, end in ends)),
        f"{seeds.r_dw_ci[0]:.4f} to {seeds.r_dw_ci[1]:.4f} ({seeds.share * 100:.0f} %)" if seeds else "–",
        fitted_best(one.fitted) if one.fitted else "none",
    )


def lengths_lines(found: BestAgainstLength) -> list[str]:
    """How the fitted best shape goes with the length, and what could not be told."""
    lines = [_drift(drift) for drift in found.drifts] or [
        "How the best shape goes with the length cannot be told: fewer than two lengths have a fitted best that lies "
        "inside of the scan."
    ]
    if any(one.seeds for one in found.ranges):
        lines.append(
            "Over seeds: the middle 95 % of the best scanned R_D/W where the runs of each shape are drawn anew, and in "
            "brackets how often the best stays the best."
        )
    return lines + [f"{note}." for note in found.notes]


def _drift(drift: LengthDrift) -> str:
    ends = drift.drift_ci
    interval = f" [{significant(ends[0], 2)}, {significant(ends[1], 2)}]" if ends else ""
    if ends is None:
        says = "it has no interval: in too many resamples a length has no best shape"
    elif ends[0] <= 0 <= ends[1]:
        says = "no drift with the length is seen"
    else:
        says = f"longer training asks for {'deeper' if ends[0] > 0 else 'wider'} shapes"
    lengths = ", ".join(f"{length:g}" for length in drift.lengths)
    return (
        f"With {rounded_count(drift.target_params)} parameters the fitted best R_D/W goes as (tokens a parameter)^"
        f"{round(drift.drift, 2) + 0:.2f}{interval} over {lengths}: {says}."
    )
