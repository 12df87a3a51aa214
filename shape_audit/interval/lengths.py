"""The best shape of a budget against the length of training, in tokens for each parameter.

Every length has a parabola of its own (`loss_fit`): with the length it changes how sharply the loss depends on the
shape, not only where it is lowest. The drift is then a straight line through the lowest points, ln a* over ln(tokens a
parameter). Its resamples draw shapes, each with all of its lengths: lengths of one trunk err alike.

Letters: C shapes, D resamples, L lengths.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shape_audit.interval.loss_fit import LEAST_FOUND, FittedCells, Floats, fit_loss, middle
from shape_audit.interval.ranges import budget_range
from shape_audit.interval.seed_bootstrap import resample_seeds
from shape_audit.interval.sweep_table import Cell, Lengths
from shape_audit.records import BestAgainstLength, LengthDrift, LengthRange

FEWEST = 4
"""Shapes at every length: a parabola goes through any three."""


def best_against_length(lengths: Lengths, tolerance: float, *, draws: int, seed: int) -> BestAgainstLength | None:
    """The best shape at each length, and how it drifts; None where every budget has one length."""
    if all(len(of_length) == 1 for of_length in lengths.values()):
        return None
    ranges, drifts, notes = [], [], []
    for budget, of_length in lengths.items():
        scanned = {}
        for length, cells in of_length.items():
            seeds, _ = resample_seeds({budget: cells}, tolerance, draws=draws, seed=seed)
            fit, why = fit_loss({budget: cells}, draws=draws, seed=seed)
            ranges.append(
                LengthRange(
                    tokens_per_param=length,
                    range=budget_range(budget, cells, tolerance),
                    seeds=seeds.best[0] if seeds else None,
                    fitted=fit.best[0] if fit else None,
                )
            )
            if fit and fit.best[0].is_scanned:
                scanned[length] = cells
            if why:
                notes.append(f"{budget:,} parameters, {length:g} tokens a parameter: {why}")
        if drift := _drift(budget, scanned, draws=draws, seed=seed):
            drifts.append(drift)
    return BestAgainstLength(ranges=ranges, drifts=drifts, notes=notes)


def _drift(budget: int, of_length: Mapping[float, list[Cell]], *, draws: int, seed: int) -> LengthDrift | None:
    """Of lengths with a fitted best inside of the scan, over the shapes that all of them have."""
    if len(of_length) < 2:
        return None
    shapes = set.intersection(*({cell.shape for cell in cells} for cells in of_length.values()))
    if len(shapes) < FEWEST:
        return None
    every_C = np.ones(len(shapes))
    drawn_DC = np.random.default_rng(seed).multinomial(len(shapes), every_C / len(shapes), draws)
    counts_DC = np.vstack([every_C, drawn_DC])  # the first is the fit itself
    log_best_DL = np.stack(
        [_log_best([cell for cell in cells if cell.shape in shapes], counts_DC) for cells in of_length.values()], axis=1
    )
    x_L = np.log(list(of_length))
    x_L -= x_L.mean()
    drift_D = log_best_DL @ x_L / (x_L @ x_L)
    if not np.isfinite(drift_D[0]):
        return None
    drawn = drift_D[1:][np.isfinite(drift_D[1:])]
    holds = len(drawn) >= LEAST_FOUND * draws
    return LengthDrift(
        target_params=budget,
        lengths=list(of_length),
        drift=float(drift_D[0]),
        drift_ci=middle(drawn) if holds else None,
    )


def _log_best(cells: list[Cell], counts_DC: Floats) -> Floats:
    """ln a* (D,) at one length; NaN where it is in no reach of the scan."""
    table = FittedCells({1: cells})
    fitted_DP = table.solve(counts_DC)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(table.has_best_in_reach(fitted_DP), table.log_best(fitted_DP)[:, 0], np.nan)
