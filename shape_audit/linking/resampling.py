"""Statistics of ranks over many resamples at once.

A resample is a row of counts: how often each model is in it. Mid-ranks, correlations and partial correlations follow
from counts alone, so ten thousand resamples are a few matrix operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
AT_ONCE = 1000
"""Resamples worked on at a time: memory stays some tens of megabytes."""


def resample_counts(groups: Sequence[Any], draws: int, generator: np.random.Generator) -> Floats:
    """Counts (draws, n) of a cluster bootstrap: whole groups are drawn with replacement. Of single models where every
    model is its own group."""
    names, index = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    k = len(names)
    drawn = generator.multinomial(k, np.full(k, 1 / k), size=draws)
    return drawn[:, index].astype(np.float64)


def mid_ranks(values: Floats, counts: Floats) -> Floats:
    """Ranks (draws, n) of values (n,) in every resample, ties sharing the middle of theirs."""
    unique, index = np.unique(values, return_inverse=True)
    at = np.zeros((counts.shape[1], len(unique)))
    at[np.arange(len(values)), index] = 1
    of_value = counts @ at
    below = np.cumsum(of_value, axis=1) - of_value
    ranks: Floats = (below + (of_value + 1) / 2)[:, index]
    return ranks


def partial_spearman(columns: Sequence[Floats], counts: Floats) -> Floats:
    """Correlation (draws,) of the ranks of the first two columns, given the ranks of the others.

    NaN where a column is constant in a resample.
    """
    parts = []
    for begin in range(0, len(counts), AT_ONCE):
        some = counts[begin : begin + AT_ONCE]
        ranks = np.stack([mid_ranks(column, some) for column in columns], axis=1)  # (draws, columns, n)
        size = some.sum(1)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):  # no model left, where the only family is left out
            centred = ranks - (ranks * some[:, None]).sum(2, keepdims=True) / size[:, None]
        covariance = np.einsum("bin,bn,bjn->bij", centred, some, centred, optimize=True)
        parts.append(_partial(covariance))
    return np.concatenate(parts)


def _partial(covariance: Floats) -> Floats:
    """Of a stack of covariance matrices, the correlation of the first two given the rest."""
    rest = covariance[:, 2:, 2:]
    pair = covariance[:, :2, :2]
    if rest.shape[1]:
        cross = covariance[:, :2, 2:]
        pair = pair - cross @ np.linalg.pinv(rest, hermitian=True) @ cross.transpose(0, 2, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = pair[:, 0, 1] / np.sqrt(pair[:, 0, 0] * pair[:, 1, 1])
    scale = np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1])
    flat = (pair[:, 0, 0] <= 1e-9 * covariance[:, 0, 0]) | (pair[:, 1, 1] <= 1e-9 * covariance[:, 1, 1]) | (scale == 0)
    return np.where(flat, np.nan, np.clip(found, -1, 1))


def percentile_interval(draws: Floats) -> tuple[float, float] | None:
    """The middle 95 %; None where most resamples gave nothing."""
    kept = draws[np.isfinite(draws)]
    if len(kept) < 0.9 * len(draws):
        return None
    low, high = np.percentile(kept, [2.5, 97.5])
    return float(low), float(high)


def permutation_p(
    columns: Sequence[Floats], strata: Sequence[int], draws: int, generator: np.random.Generator
) -> float:
    """Two-sided p of `partial_spearman` when the first column is shuffled within strata."""
    strata_n = np.asarray(strata)
    ones = np.ones((1, len(columns[0])))
    seen = abs(float(partial_spearman(columns, ones)[0]))
    if not np.isfinite(seen):
        return 1.0
    ranks = [mid_ranks(column, ones)[0] for column in columns]
    shuffled = np.tile(ranks[0], (draws, 1))
    for stratum in np.unique(strata_n):
        where = np.flatnonzero(strata_n == stratum)
        shuffled[:, where] = generator.permuted(shuffled[:, where], axis=1)
    others = np.stack(ranks[1:])
    beyond = 0
    for begin in range(0, draws, AT_ONCE):
        some = shuffled[begin : begin + AT_ONCE]
        whole = np.concatenate([some[:, None], np.broadcast_to(others, (len(some), *others.shape))], axis=1)
        centred = whole - whole.mean(2, keepdims=True)
        found = np.abs(_partial(np.einsum("bin,bjn->bij", centred, centred)))
        beyond += int((found >= seen - 1e-12).sum())
    return (beyond + 1) / (draws + 1)
