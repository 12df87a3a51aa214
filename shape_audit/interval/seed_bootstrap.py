"""How far an interval hangs on the seeds of its sweep: the derivation repeated on resampled runs.

Every shape's runs are drawn anew with replacement, each shape for itself: a seed is of first weights and of batches,
and what two shapes share by it is small beside what they do not. The mean of k drawn runs varies (k - 1) / k as much
as a mean of k runs does; deviations are stretched by the root of k / (k - 1) to undo that, which matters for the two
or three runs a sweep has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shape_audit.interval.loss_fit import middle
from shape_audit.interval.sweep_table import Budgets, Cell
from shape_audit.records import BestShape, SeedBootstrap

Floats = NDArray[np.float64]
FEW_RUNS = 5
"""Below so many runs of each shape, resamples hardly differ, and shares of 0 and 100 % mean little."""
MOST_OPEN = 0.1
"""Share of resamples in which an end may be open and still have an interval."""


def resample_seeds(
    budgets: Budgets, tolerance: float, *, draws: int, seed: int
) -> tuple[SeedBootstrap | None, str | None]:
    """The bootstrap, and what to say of it; none where every shape was trained once."""
    cells = [cell for of_budget in budgets.values() for cell in of_budget]
    resampled = sum(len(cell.losses) > 1 for cell in cells)
    if not resampled:
        return None, "every shape was trained once: no bootstrap over seeds, and a single run decides which is best"
    copies = sum(len(cell.losses) > 1 and len(set(cell.losses)) == 1 for cell in cells)
    generator = np.random.default_rng(seed)
    ends, best = [], []
    for budget, of_budget in budgets.items():
        losses_DC = np.stack([_means(cell, draws, generator) for cell in of_budget], axis=1)
        r_dw_C = np.array([cell.r_dw for cell in of_budget])
        ends.append(_closed_ends(losses_DC, r_dw_C, tolerance))
        best.append(_best_shape(budget, of_budget, losses_DC, r_dw_C))
    lows_D, highs_D = np.array(ends).transpose(1, 2, 0)  # of each draw and budget, NaN where open
    with np.errstate(invalid="ignore"):
        low_D, high_D = np.fmax.reduce(lows_D, axis=1), np.fmin.reduce(highs_D, axis=1)
        is_empty_D = low_D > high_D
    few = len(cells) - resampled
    notes = []
    if few:
        notes.append(f"{few} of {len(cells)} shapes were trained once and stand still in the bootstrap over seeds")
    if (most := max(len(cell.losses) for cell in cells)) < FEW_RUNS:
        notes.append(f"no shape was trained more than {most} times: what the bootstrap over seeds says is rough")
    if copies:
        notes.append(
            f"{copies} of {len(cells)} shapes have runs of one and the same loss: copies of a line are no runs"
        )
    return SeedBootstrap(
        draws=draws,
        shapes=len(cells),
        resampled=resampled,
        low_ci=_middle(low_D),
        high_ci=_middle(high_D),
        empty_share=float(is_empty_D.mean()),
        best=best,
    ), ("; ".join(notes) or None)


def _means(cell: Cell, draws: int, generator: np.random.Generator) -> Floats:
    """Mean loss (D,) of a shape in each resample."""
    losses_K = np.array(cell.losses)
    k = len(losses_K)
    if k == 1:
        return np.full(draws, losses_K[0])
    drawn_D = losses_K[generator.integers(k, size=(draws, k))].mean(axis=1)
    means: Floats = cell.loss + np.sqrt(k / (k - 1)) * (drawn_D - cell.loss)
    return means


def _closed_ends(losses_DC: Floats, r_dw_C: Floats, tolerance: float) -> tuple[Floats, Floats]:
    """Lowest and highest R_D/W within the tolerance, each (D,); NaN where that is the outermost shape."""
    is_within_DC = losses_DC <= losses_DC.min(axis=1, keepdims=True) * (1 + tolerance)
    low_D = np.where(is_within_DC, r_dw_C, np.inf).min(axis=1)
    high_D = np.where(is_within_DC, r_dw_C, -np.inf).max(axis=1)
    return np.where(low_D == r_dw_C.min(), np.nan, low_D), np.where(high_D == r_dw_C.max(), np.nan, high_D)


def _best_shape(budget: int, cells: Sequence[Cell], losses_DC: Floats, r_dw_C: Floats) -> BestShape:
    scanned = min(range(len(cells)), key=lambda number: cells[number].loss)
    best_D = losses_DC.argmin(axis=1)
    low, high = np.percentile(r_dw_C[best_D], [2.5, 97.5])
    return BestShape(target_params=budget, share=float((best_D == scanned).mean()), r_dw_ci=(float(low), float(high)))


def _middle(values_D: Floats) -> tuple[float, float] | None:
    """The middle 95 % of what is not open."""
    closed = values_D[np.isfinite(values_D)]
    if len(closed) < (1 - MOST_OPEN) * len(values_D):
        return None
    return middle(closed)
