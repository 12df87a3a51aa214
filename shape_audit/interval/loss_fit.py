"""A parametric form of a sweep's losses: L(N, a) = L_inf + A N^-b + c (ln a - ln a*(N))^2, a = R_D/W.

With ln a*(N) = m + d n, where n is ln N about its mean, and a level for each budget, the parabola is linear in what is
fitted: level(N) + c x^2 + p x + q x n with x = ln a, so m = -p / 2c and d = -q / 2c. The levels at the best shapes then
get their power law. Two linear steps instead of one search: no start to choose, thousands of resamples in one solve,
and a budget whose level is off the power law (trained too short, say) does not move the best shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shape_audit.interval.sweep_table import Budgets
from shape_audit.records import FittedBest, LossFit

Floats = NDArray[np.float64]
POWER_LAW_BUDGETS = 4
"""Fewer budgets than this fit any L_inf, A and b exactly."""
EXPONENTS = (0.01, 4.0)
"""Where b is looked for; at an end of it, b and L_inf are not told."""
MOST_BUDGETS = 100
"""Of one fit; a table with more has most likely counts of parameters where budgets belong."""
REACH = 1.0
"""How far beyond the scan a best shape may lie, in the scan's width over ln R_D/W: further out no minimum is seen, and
the parabola's own is no more than the slope of the losses at the end of the scan."""
LEAST_FOUND = 0.95
"""Share of the resamples that must have a minimum in reach for the intervals of a* and of its drift."""
AT_ONCE = 500
"""Resamples solved in one go."""


def fit_loss(budgets: Budgets, *, draws: int, seed: int) -> tuple[LossFit | None, str | None]:
    """The fit, and what to say where there is none."""
    shapes, unknowns = sum(map(len, budgets.values())), _unknowns(len(budgets))
    too_few = f"no parametric fit: too few shapes ({shapes}) for its {unknowns} unknowns"
    if shapes <= unknowns:
        return None, too_few
    if len(budgets) > MOST_BUDGETS:
        return None, f"no parametric fit: {len(budgets):,} budgets; it is made for at most {MOST_BUDGETS}"
    table = FittedCells(budgets)
    fitted_1P = table.solve(np.ones((1, shapes)))
    curvature = float(fitted_1P[0, table.curve])
    if not np.isfinite(curvature):
        return None, too_few
    if curvature <= 0:
        return None, (
            f"no parametric fit: over ln R_D/W the losses bend downwards (c = {curvature:.2g}), so it has no best shape"
        )
    if not table.has_best_in_reach(fitted_1P)[0]:
        return None, (
            "no parametric fit: its best R_D/W would lie far beyond the scan, where the losses still fall; scan further"
        )
    generator = np.random.default_rng(seed)
    counts_DC = np.concatenate([generator.multinomial(k, np.full(k, 1 / k), draws) for k in table.sizes_B], axis=1)
    fitted_DP = np.concatenate([table.solve(counts_DC[begin : begin + AT_ONCE]) for begin in range(0, draws, AT_ONCE)])
    fitted_DP = fitted_DP[np.isfinite(fitted_DP).all(axis=1)]
    found_DP = fitted_DP[table.has_best_in_reach(fitted_DP)]
    holds = len(found_DP) >= LEAST_FOUND * draws
    log_best_1B, log_best_DB = table.log_best(fitted_1P), table.log_best(found_DP)
    lowest_1B, lowest_DB = table.lowest(fitted_1P), table.lowest(found_DP)
    several = len(budgets) > 1
    law, law_cis = _power_law(table, lowest_1B, lowest_DB)
    return LossFit(
        shapes=shapes,
        draws=draws,
        curvature=curvature,
        curvature_ci=middle(fitted_DP[:, table.curve]),
        drift=float(table.drift(fitted_1P)[0]) if several else None,
        drift_ci=middle(table.drift(found_DP)) if several and holds else None,
        best=[
            FittedBest(
                target_params=budget,
                r_dw=float(np.exp(log_best_1B[0, number])),
                r_dw_ci=_exp(middle(log_best_DB[:, number])) if holds else None,
                loss=float(lowest_1B[0, number]),
                is_scanned=bool(np.log(cells[0].r_dw) < log_best_1B[0, number] < np.log(cells[-1].r_dw)),
            )
            for number, (budget, cells) in enumerate(budgets.items())
        ],
        rms=table.rms(fitted_1P[0]),
        irreducible_loss=law[0],
        irreducible_loss_ci=law_cis[0] if holds else None,
        coefficient=law[1],
        exponent=law[2],
        exponent_ci=law_cis[2] if holds else None,
    ), (None if holds else "the fitted best shape has no interval: too many resamples have none in reach of the scan")


def _unknowns(budgets: int) -> int:
    """A level a budget, c and p; with several budgets q too."""
    return budgets + 2 + (budgets > 1)


class FittedCells:
    """The cells of all budgets as columns, and the linear step over resamples of them.

    Letters: B budgets, C cells, D resamples, P unknowns: a level a budget, then c, p and, for several budgets, q.
    """

    def __init__(self, budgets: Budgets) -> None:
        self.sizes_B = [len(cells) for cells in budgets.values()]
        log_n_B = np.log(np.array(list(budgets), dtype=np.float64))
        self.mean_log_n = float(log_n_B.mean())
        self.log_n_B = log_n_B - self.mean_log_n
        cells = [cell for of_budget in budgets.values() for cell in of_budget]
        self.loss_C = np.array([cell.loss for cell in cells])
        x_C = np.log(np.array([cell.r_dw for cell in cells]))
        self._mean_x = x_C.mean()
        x_C = x_C - self._mean_x
        self._scan = float(x_C.min()), float(x_C.max())
        budget_C = np.repeat(np.arange(len(budgets)), self.sizes_B)
        columns = [*(budget_C == np.arange(len(budgets))[:, None]), x_C**2, x_C]
        if len(budgets) > 1:
            columns.append(x_C * self.log_n_B[budget_C])
        self._design_CP = np.stack(columns, axis=1).astype(np.float64)
        self.curve = len(budgets)

    def solve(self, counts_DC: Floats) -> Floats:
        """Least squares (D, P) of each resample; a row of NaN where a resample does not tell all unknowns."""
        normal_DPP = np.einsum("cp,dc,cq->dpq", self._design_CP, counts_DC, self._design_CP, optimize=True)
        right_DP = np.einsum("cp,dc,c->dp", self._design_CP, counts_DC, self.loss_C, optimize=True)
        is_told_D = np.linalg.cond(normal_DPP) < 1e12
        fitted_DP = np.full(right_DP.shape, np.nan)
        fitted_DP[is_told_D] = np.linalg.solve(normal_DPP[is_told_D], right_DP[is_told_D][..., None])[..., 0]
        return fitted_DP

    def has_best_in_reach(self, fitted_DP: Floats) -> NDArray[np.bool_]:
        """Whether a fit (D,) bends upwards, with its lowest points not far beyond the scan."""
        low, high = self._scan
        reach = REACH * (high - low)
        with np.errstate(divide="ignore", invalid="ignore"):
            best_DB = self._centred_best(fitted_DP)
            is_near_D = ((best_DB >= low - reach) & (best_DB <= high + reach)).all(axis=1)
        found: NDArray[np.bool_] = (fitted_DP[:, self.curve] > 0) & is_near_D
        return found

    def drift(self, fitted_DP: Floats) -> Floats:
        """d ln a* / d ln N (D,)."""
        drift: Floats = -fitted_DP[:, self.curve + 2] / (2 * fitted_DP[:, self.curve])
        return drift

    def log_best(self, fitted_DP: Floats) -> Floats:
        """ln a* (D, B)."""
        best: Floats = self._centred_best(fitted_DP) + self._mean_x
        return best

    def lowest(self, fitted_DP: Floats) -> Floats:
        """Loss (D, B) at the best shape of each budget."""
        best_DB = self._centred_best(fitted_DP)
        low: Floats = fitted_DP[:, : self.curve] - fitted_DP[:, self.curve, None] * best_DB**2
        return low

    def _centred_best(self, fitted_DP: Floats) -> Floats:
        linear_DB = fitted_DP[:, self.curve + 1, None]
        if self.curve > 1:
            linear_DB = linear_DB + fitted_DP[:, self.curve + 2, None] * self.log_n_B
        best: Floats = -linear_DB / (2 * fitted_DP[:, self.curve, None])
        return best

    def rms(self, fitted_P: Floats) -> float:
        """Of what the fit leaves."""
        return float(np.sqrt(np.mean((self.loss_C - self._design_CP @ fitted_P) ** 2)))


Law = tuple[float | None, float | None, float | None]
Ends = tuple[float, float] | None


def _power_law(table: FittedCells, lowest_1B: Floats, lowest_DB: Floats) -> tuple[Law, tuple[Ends, Ends, Ends]]:
    """L_inf, A and b through the losses of the best shapes, and the middle 95 % of each over the resamples.

    None of them where there are too few budgets, or b is at an end of where it is looked for.
    """
    nothing: tuple[None, None, None] = (None, None, None)
    if len(table.log_n_B) < POWER_LAW_BUDGETS:
        return nothing, nothing
    b = _exponents(table.log_n_B, lowest_1B)
    if not EXPONENTS[0] * 1.01 < b[0] < EXPONENTS[1] * 0.99:
        return nothing, nothing
    level, slope, _ = _levels(table.log_n_B, lowest_1B, b[:, None])
    of_draws = _exponents(table.log_n_B, lowest_DB)
    levels, slopes, _ = _levels(table.log_n_B, lowest_DB, of_draws[:, None])
    scale = np.exp(b * table.mean_log_n)  # ln N was about its mean
    scales = np.exp(of_draws * table.mean_log_n)
    law = (float(level[0, 0]), float(slope[0, 0] * scale[0]), float(b[0]))
    return law, (middle(levels[:, 0]), middle(slopes[:, 0] * scales), middle(of_draws))


def _exponents(log_n_B: Floats, loss_DB: Floats) -> Floats:
    """The b (D,) of least squares: the best of a row of candidates, then of finer rows about it."""
    low_D = np.full(len(loss_DB), np.log(EXPONENTS[0]))
    high_D = np.full(len(loss_DB), np.log(EXPONENTS[1]))
    for _ in range(6):
        rows_DG = np.linspace(low_D, high_D, 31, axis=1)
        _, _, left_DG = _levels(log_n_B, loss_DB, np.exp(rows_DG))
        best_D = left_DG.argmin(axis=1)
        low_D = rows_DG[np.arange(len(rows_DG)), np.maximum(best_D - 1, 0)]
        high_D = rows_DG[np.arange(len(rows_DG)), np.minimum(best_D + 1, 30)]
    exponents: Floats = np.exp((low_D + high_D) / 2)
    return exponents


def _levels(log_n_B: Floats, loss_DB: Floats, b_DG: Floats) -> tuple[Floats, Floats, Floats]:
    """L_inf, A and the squares left, each (D, G), of given exponents; L_inf is not below zero."""
    power_DGB = np.exp(-b_DG[..., None] * log_n_B)
    loss_DGB = loss_DB[:, None, :]
    power_about = power_DGB - power_DGB.mean(axis=-1, keepdims=True)
    loss_about = loss_DGB - loss_DGB.mean(axis=-1, keepdims=True)
    slope_DG = (power_about * loss_about).sum(axis=-1) / (power_about**2).sum(axis=-1)
    level_DG = loss_DGB.mean(axis=-1) - slope_DG * power_DGB.mean(axis=-1)
    without_DG = (power_DGB * loss_DGB).sum(axis=-1) / (power_DGB**2).sum(axis=-1)
    slope_DG = np.where(level_DG < 0, without_DG, slope_DG)
    level_DG = np.maximum(level_DG, 0.0)
    left_DG = ((loss_DGB - level_DG[..., None] - slope_DG[..., None] * power_DGB) ** 2).sum(axis=-1)
    return level_DG, slope_DG, left_DG


def middle(values_D: Floats) -> Ends:
    """The middle 95 % of resamples; None where there are none."""
    if not len(values_D):
        return None
    low, high = np.percentile(values_D, [2.5, 97.5])
    return float(low), float(high)


def _exp(ends: Ends) -> Ends:
    return (float(np.exp(ends[0])), float(np.exp(ends[1]))) if ends else None
