"""Fitting the law of a yardstick: ln loss = level(size, budget) + c (ln R - ln a*)^2, R = R_D/W.

With x = ln R the parabola is c x^2 + p x + a constant, so that everything is linear in what is fitted, and
ln a* = -p / 2c. Three levels are known: a curve over the size (1, n, n^2, with n = ln(N / 1e9)), where every budget was
trained on the same tokens; one level a budget; and one level a budget with a slope over the size, where the shapes of a
budget differ in it. Intervals are percentiles over shapes drawn anew, within the budgets where these have levels of
their own.

Letters: S shapes, D resamples, P unknowns, of which the last two are p and c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shape_audit.errors import UsageError
from shape_audit.interval import middle
from shape_audit.records import ShapeLaw

Floats = NDArray[np.float64]
Levels = Literal["size curve", "budgets", "budgets and size"]
LEAST_FOUND = 0.95
"""Share of the resamples that must bend upwards for an interval."""


@dataclass(frozen=True)
class TrainedShape:
    """One shape of a sweep, with the loss it ended at.

    Attributes:
        budget: what it shares with the shapes it is compared to.
        params: of the kind in which the shapes are compared.
    """

    num_hidden_layers: int
    hidden_size: int
    budget: str
    params: float
    loss: float

    @property
    def r_dw(self) -> float:
        return self.num_hidden_layers / self.hidden_size


@dataclass(frozen=True)
class FittedLaw:
    """A law, what it says of the size, and its resamples.

    Attributes:
        size_slope: of the size curve, ln loss = ... + b1 n + b2 n^2; None for other levels.
        draws: (ln a*, c) of every resample that bends upwards; empty where too few do.
        drawn: (D, S) how often each resample has each shape, of the same resamples.
    """

    law: ShapeLaw
    size_slope: tuple[float, float] | None
    draws: Floats
    drawn: Floats


def fit_law(shapes: Sequence[TrainedShape], levels: Levels, *, draws: int = 4000, seed: int = 0) -> FittedLaw:
    """Fit the law to a sweep.

    Args:
        draws: resamples; 0 for none, and no intervals.

    Raises:
        UsageError: too few shapes for what is fitted, or the losses have no lowest point over R_D/W.
    """
    if not shapes:
        raise UsageError("a law needs budgets of several shapes, and there are none")
    x_S = np.log([shape.r_dw for shape in shapes])
    n_S = np.log(np.array([shape.params for shape in shapes]) / 1e9)
    y_S = np.log([shape.loss for shape in shapes])
    budgets = sorted({shape.budget for shape in shapes})
    budget_S = np.array([budgets.index(shape.budget) for shape in shapes])
    level_SP = _levels(levels, n_S, budget_S)
    design_SP = np.column_stack([level_SP, x_S, x_S**2])
    if len(shapes) <= design_SP.shape[1]:
        raise UsageError(f"a law needs more than {design_SP.shape[1]} shapes in its budgets, not {len(shapes)}")
    one_1S = np.ones((1, len(shapes)))
    fitted_P = _solve(design_SP, y_S, one_1S)[0]
    if not np.isfinite(fitted_P).all() or fitted_P[-1] <= 0:
        raise UsageError("over ln R_D/W the losses of this sweep have no lowest point")
    strata_S = np.zeros_like(budget_S) if levels == "size curve" else budget_S
    drawn_DS = _resamples(strata_S, draws, seed)
    fits_DP = _solve(design_SP, y_S, drawn_DS)
    bends_D = np.isfinite(fits_DP).all(axis=1) & (fits_DP[:, -1] > 0)
    holds = draws > 0 and bends_D.mean() >= LEAST_FOUND
    found_DP = fits_DP[bends_D] if holds else fits_DP[:0]
    log_best_D = -found_DP[:, -2] / (2 * found_DP[:, -1])
    drift, drift_ci = _drift(design_SP, n_S, y_S, drawn_DS)
    law = ShapeLaw(
        a_star=float(np.exp(-fitted_P[-2] / (2 * fitted_P[-1]))),
        a_star_ci=middle(np.exp(log_best_D)),
        c=float(fitted_P[-1]),
        c_ci=middle(found_DP[:, -1]),
        drift=drift,
        drift_ci=drift_ci,
        residual_sd=_residual_sd(design_SP, y_S),
        residual_sd_without_shape=_residual_sd(level_SP, y_S),
        shapes=len(shapes),
        draws=draws,
    )
    slope = (float(fitted_P[1]), float(fitted_P[2])) if levels == "size curve" else None
    return FittedLaw(law, slope, np.column_stack([log_best_D, found_DP[:, -1]]), drawn_DS[bends_D][: len(found_DP)])


def _levels(levels: Levels, n_S: Floats, budget_S: NDArray[np.int64]) -> Floats:
    if levels == "size curve":
        return np.column_stack([np.ones_like(n_S), n_S, n_S**2])
    of_budget_SB = (budget_S[:, None] == np.arange(budget_S.max() + 1)).astype(np.float64)
    return of_budget_SB if levels == "budgets" else np.column_stack([of_budget_SB, n_S])


def _resamples(strata_S: NDArray[np.int64], draws: int, seed: int) -> Floats:
    """How often (D, S) each shape is drawn, with replacement, within its stratum."""
    generator = np.random.default_rng(seed)
    drawn_DS = np.zeros((draws, len(strata_S)))
    for stratum in np.unique(strata_S):
        members = np.flatnonzero(strata_S == stratum)
        drawn_DS[:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), draws)
    return drawn_DS


def _solve(design_SP: Floats, y_S: Floats, drawn_DS: Floats) -> Floats:
    """Least squares (D, P) of each resample; a row of NaN where a resample does not tell all unknowns."""
    normal_DPP = np.einsum("sp,ds,sq->dpq", design_SP, drawn_DS, design_SP, optimize=True)
    right_DP = np.einsum("sp,ds,s->dp", design_SP, drawn_DS, y_S, optimize=True)
    is_told_D = np.linalg.cond(normal_DPP) < 1e12
    fitted_DP = np.full(right_DP.shape, np.nan)
    fitted_DP[is_told_D] = np.linalg.solve(normal_DPP[is_told_D], right_DP[is_told_D][..., None])[..., 0]
    return fitted_DP


def _drift(
    design_SP: Floats, n_S: Floats, y_S: Floats, drawn_DS: Floats
) -> tuple[float | None, tuple[float, float] | None]:
    """d ln a* / d ln N of a fit with a term x n, and its interval; None where the sizes do not tell it."""
    with_drift_SP = np.column_stack([design_SP[:, :-2], design_SP[:, -2] * n_S, design_SP[:, -2:]])
    fitted_1P = _solve(with_drift_SP, y_S, np.ones((1, len(y_S))))
    if len(y_S) <= with_drift_SP.shape[1] or not np.isfinite(fitted_1P).all() or fitted_1P[0, -1] <= 0:
        return None, None
    fits_DP = _solve(with_drift_SP, y_S, drawn_DS)
    fits_DP = fits_DP[np.isfinite(fits_DP).all(axis=1) & (fits_DP[:, -1] > 0)]
    holds = len(fits_DP) >= LEAST_FOUND * len(drawn_DS)
    ends = middle(-fits_DP[:, -3] / (2 * fits_DP[:, -1])) if holds else None
    return float(-fitted_1P[0, -3] / (2 * fitted_1P[0, -1])), ends


def _residual_sd(design_SP: Floats, y_S: Floats) -> float:
    left_S = y_S - design_SP @ np.linalg.lstsq(design_SP, y_S, rcond=None)[0]
    return float(np.sqrt(left_S @ left_S / (len(y_S) - np.linalg.matrix_rank(design_SP))))
