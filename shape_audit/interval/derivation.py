"""Deriving the efficient interaction interval from a sweep table, with what seeds and a parametric fit say of it.

Source of the idea: Law of Neural Interaction (arXiv 2605.27989); of the shipped table: data/README.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shape_audit.errors import UsageError
from shape_audit.interval.interval_file import is_empty
from shape_audit.interval.options import IntervalOptions
from shape_audit.interval.ranges import at_tolerance, budget_range, edges, intersection
from shape_audit.interval.sweep_table import SHIPPED_TABLE, SWEEP_TABLE, Budgets, read_budgets, read_lengths
from shape_audit.records import IntervalDerivation

SHIPPED_SOURCE = "sweep of arXiv 2605.27989 (github.com/wenjie1835/Interaction_Law, commit 853f922)"
SHIPPED_MIN_PARAMS = 1e6
MOST_DRAWN = 50_000_000
"""Resamples times shapes: numbers that are held at once."""
SENSITIVITY = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.05)


def derive_interval(
    table: str | Path | None = None, options: IntervalOptions | None = None, **changes: Any
) -> IntervalDerivation:
    """Derive the interval of R_D/W from a sweep table.

    Args:
        table: CSV file with the columns target_params, num_hidden_layers, hidden_size, test_ce (any unit); None for
            the shipped sweep. Several rows of one shape and budget (seeds) count as one, with their mean loss, and
            are resampled for the bootstrap. Where a column tokens_per_param tells lengths of training apart, the
            interval is of the longest, and `lengths` says how the best shape goes with them.
        options: or single options by name, see `IntervalOptions`.

    Raises:
        UsageError: a column is missing, the tolerance is not a fraction, or no budget is left.
        CorruptFileError: a cell is not a number.
        IncompleteError: the file cannot be read.
    """
    options = IntervalOptions.given(options, changes, "derive_interval()")
    tolerance, min_params, draws, seed = options.tolerance, options.min_params, options.draws, options.seed
    of_interaction = min_params or 0.0
    if min_params is None and table is None:
        min_params = SHIPPED_MIN_PARAMS
    budgets = _budgets(table, min_params or 0.0)
    shapes = sum(map(len, budgets.values()))
    if draws * shapes > MOST_DRAWN:
        raise UsageError(f"--draws {draws}: at most {MOST_DRAWN // shapes:,} of {shapes:,} shapes")
    derivation = _ranges(table, budgets, tolerance, min(budgets) if min_params is None else min_params)
    doubts = _doubts(derivation, budgets)
    if not draws:
        return derivation.model_copy(update={"notes": doubts})
    from shape_audit.interval.interaction_loss import interaction_and_loss
    from shape_audit.interval.lengths import best_against_length
    from shape_audit.interval.loss_fit import fit_loss
    from shape_audit.interval.seed_bootstrap import resample_seeds

    bootstrap, of_seeds = resample_seeds(budgets, tolerance, draws=draws, seed=seed)
    fit, of_fit = fit_loss(budgets, draws=draws, seed=seed)
    notes = [*doubts, *(note for note in (of_seeds, of_fit) if note)]
    lengths = {budget: cells for budget, cells in read_lengths(table).items() if budget in budgets}
    interaction = interaction_and_loss(table, min_params=of_interaction, draws=draws, seed=seed)
    return derivation.model_copy(
        update={
            "bootstrap": bootstrap,
            "fit": fit,
            "interaction": interaction,
            "lengths": best_against_length(lengths, tolerance, draws=draws, seed=seed),
            "notes": notes,
        }
    )


def _doubts(derivation: IntervalDerivation, budgets: Budgets) -> list[str]:
    """Where the scan does not hold what the interval seems to say."""
    doubts = []
    single = sum(len(cells) == 1 for cells in budgets.values())
    if single and len(budgets) > 1:
        doubts.append(
            f"{single} of {len(budgets)} budgets have a single shape, which says nothing; target_params is the budget "
            "that shapes share, not the count of each"
        )
    several = [cells for cells in budgets.values() if len(cells) > 1]
    at_edge = sum(min(cells, key=lambda cell: cell.loss) in (cells[0], cells[-1]) for cells in several)
    if at_edge:
        doubts.append(
            f"the best shape of {at_edge} of {len(budgets)} budgets is the outermost that was scanned: a better one "
            "may lie beyond"
        )
    for name, end in (("low", derivation.low), ("high", derivation.high)):
        beyond = sum(end is not None and not cells[0].r_dw <= end <= cells[-1].r_dw for cells in several)
        if beyond:
            doubts.append(f"the {name} end lies beyond the scan of {beyond} of {len(budgets)} budgets")
    return doubts


def _budgets(table: str | Path | None, min_params: float) -> Budgets:
    path = Path(table) if table is not None else SHIPPED_TABLE
    whole = read_budgets(table)
    budgets = {budget: cells for budget, cells in whole.items() if budget >= min_params}
    if not budgets:
        there = f"; its largest has {max(whole):,}: lower --min-params" if whole else ""
        raise UsageError(f"{path}: no budget of at least {min_params:g} parameters{there}")
    return budgets


def _name_of(table: Path) -> str:
    """A file's own name; the table in a sweep's folder is known by the folder, since all of them are called alike."""
    return f"sweep {table.resolve().parent.name}" if table.name == SWEEP_TABLE else table.name


def _ranges(table: str | Path | None, budgets: Budgets, tolerance: float, min_params: float) -> IntervalDerivation:
    ranges = [budget_range(budget, cells, tolerance) for budget, cells in budgets.items()]
    low, high = intersection(ranges)
    name = "reference sweep" if table is None else _name_of(Path(table))
    return IntervalDerivation(
        name=f"{name}, {tolerance * 100:g} %",
        source=SHIPPED_SOURCE if table is None else name,
        tolerance=tolerance,
        min_params=min_params,
        low=low,
        high=high,
        is_empty=is_empty(low, high),
        open_edges=edges(low is None, high is None),
        budgets=ranges,
        sensitivity=[at_tolerance(budgets, step) for step in sorted({*SENSITIVITY, tolerance})],
    )
