"""How many directions are used: quotients of products of second moments, each product of different folds.

Legend: J folds, D width. C is the second moment of the stream, G that of gradients; C_i that of fold i.

    effective rank    tr(C)^2 / tr(C C)       directions, were they all used alike
    centred           the same of C - m m^T, m the mean of the stream
    functional rank   tr(C G)^2 / tr(C G C G) directions that are both active and matter to the loss

The last does not change where the stream is written in another basis, orthonormal or not: h -> P h makes C -> P C P^T
and G -> P^-T G P^-1, so that C G -> P C G P^-1. It is at most the rank of either matrix.

In numerator and denominator every matrix comes from another fold, so both are unbiased; what their quotient is biased
by to first order is taken off. Intervals are Student's t over folds, on the log scale: the jackknife where it costs
nothing; of the functional rank, whose matrix products are dear, the spread of each fold's first-order influence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from shape_audit.interaction.estimators.error_bars import CONFIDENCE, Interval
from shape_audit.interaction.estimators.sample_size import MIN_WINDOWS
from shape_audit.interaction.width.fold_sums import FoldMoments

Array = NDArray[np.float64]
NOISE_LEVELS = (1.0, 0.3, 0.1, 0.03, 0.01)
QUARTERS = 4
"""Folds are joined to so many for the functional rank: as many as the matrices that must differ."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval, None from fewer than six folds.

    The number is None where noise leaves nothing to divide by.
    """

    value: float | None
    interval: Interval | None = None


def effective_rank(moments: FoldMoments) -> Estimate:
    """tr(C)^2 / tr(C C)."""
    if len(moments) < 2:
        return Estimate(None)
    products_JJ, trace_J = _array(moments.products_with(moments)), _array(moments.traces_J())

    def of(folds: Sequence[int]) -> float | None:
        some = np.ix_(folds, folds)
        return _quotient(_over_different(np.outer(trace_J, trace_J)[some]), _over_different(products_JJ[some]))

    return _jackknifed(of, len(moments), least=2)


def centred_effective_rank(moments: FoldMoments) -> Estimate:
    """tr(S)^2 / tr(S S) of the covariance S = C - m m^T, as if the stream were first moved by its mean.

    It is moved by the mean of all folds, which changes no estimate: they are complete U-statistics of functions that do
    not depend on where the origin is. Only then small differences of large numbers stay away.
    """
    if len(moments) < 4:
        return Estimate(None)
    moved = moments.moved(-moments.mean_JD.mean(0))
    products_JJ, trace_J = _array(moved.products_with(moved)), _array(moved.traces_J())
    means_JJ = _array(moved.mean_JD @ moved.mean_JD.T)
    along_JJJ = _array(
        torch.stack([moved.mean_JD @ moved.matrix_DD([fold]) @ moved.mean_JD.T for fold in range(len(moved))])
    )

    def of(folds: Sequence[int]) -> float | None:
        two, three = np.ix_(folds, folds), np.ix_(folds, folds, folds)
        mean_4 = _over_different(np.multiply.outer(means_JJ[two], means_JJ[two]))
        above = _over_different(np.outer(trace_J, trace_J)[two]) + mean_4
        above -= 2 * _over_different(np.multiply.outer(trace_J, means_JJ)[three])
        below = _over_different(products_JJ[two]) + mean_4 - 2 * _over_different(along_JJJ[three])
        return _quotient(above, below)

    return _jackknifed(of, len(moments), least=4)


def functional_rank(stream: FoldMoments, gradients: FoldMoments) -> Estimate:
    """tr(C G)^2 / tr(C G C G)."""
    if min(len(stream), len(gradients)) < QUARTERS:
        return Estimate(None)
    quarters = [list(range(first, len(stream), QUARTERS)) for first in range(QUARTERS)]
    traces_JJ = _array(stream.products_with(gradients))
    trace_44 = np.array([[traces_JJ[np.ix_(a, b)].mean() for b in quarters] for a in quarters])
    above = below = 0.0
    for a, c in combinations(range(QUARTERS), 2):  # C_a G_b C_c G_d: a cyclic shift and a transposition change nothing
        b, d = (fold for fold in range(QUARTERS) if fold not in (a, c))
        left_DD = stream.matrix_DD(quarters[a]) @ gradients.matrix_DD(quarters[b])
        right_DD = stream.matrix_DD(quarters[c]) @ gradients.matrix_DD(quarters[d])
        below += float((left_DD * right_DD.T).sum())
        above += float(trace_44[a, b] * trace_44[c, d] + trace_44[a, d] * trace_44[c, b]) / 2
    value = _quotient(above, below)
    if value is None or len(stream) < MIN_WINDOWS:
        return Estimate(value)
    above_J, below_J = _functional_influences(stream, gradients, traces_JJ)
    mixed, own = np.cov(above_J, below_J)[1] / len(stream)
    value *= 1 + mixed - own  # a quotient's bias to first order, see `error_bars`
    return Estimate(value, _around(value, above_J - below_J))


def _functional_influences(stream: FoldMoments, gradients: FoldMoments, traces_JJ: Array) -> tuple[Array, Array]:
    """What each fold moves ln tr(C G)^2 and ln tr(C G C G) by, to first order."""
    c_DD, g_DD = stream.matrix_DD(), gradients.matrix_DD()
    product_DD = c_DD @ g_DD
    whole = float((product_DD * product_DD.T).sum())
    of_stream_J = _array(stream.products_with_matrix(g_DD @ product_DD))
    of_gradients_J = _array(gradients.products_with_matrix(product_DD @ c_DD))
    along_J = traces_JJ.mean(1) + traces_JJ.mean(0)
    return 2 * along_J / traces_JJ.mean(), 2 * (of_stream_J + of_gradients_J) / whole


def rank_staircase(moments: FoldMoments) -> list[tuple[float, Estimate]]:
    """For every noise level, how many directions stand above it.

    Directions are the eigenvectors of half of the folds, and what each carries is read from the other half, so that
    chance does not choose and judge; then the other way round. The noise is that of a channel, of the stream's own root
    mean square over channels: a direction stands above it where its second moment is larger than noise^2 tr(C) / D.
    """
    if len(moments) < 2:
        return [(noise, Estimate(None)) for noise in NOISE_LEVELS]
    energies = []
    halves = [list(range(first, len(moments), 2)) for first in (0, 1)]
    for own, others in (halves, halves[::-1]):
        directions_DD = torch.linalg.eigh(moments.matrix_DD(own)).eigenvectors
        energies.append(
            _array(torch.stack([(directions_DD * (moments.matrix_DD([j]) @ directions_DD)).sum(0) for j in others]))
        )
    floor = float(moments.traces_J().mean()) / moments.width
    steps = []
    for noise in NOISE_LEVELS:
        above = noise**2 * floor
        count = float(np.mean([(of_half_JD.mean(0) > above).sum() for of_half_JD in energies]))
        of_folds_J = np.concatenate([(of_half_JD > above).sum(1) for of_half_JD in energies]).astype(float)
        half = _half_width(of_folds_J) if len(moments) >= MIN_WINDOWS else None
        steps.append((noise, Estimate(count, None if half is None else (max(count - half, 0.0), count + half))))
    return steps


def _jackknifed(of: Callable[[Sequence[int]], float | None], folds: int, *, least: int) -> Estimate:
    """A number of all folds, its first-order bias taken off, and its interval, from those without one of them."""
    everyone = list(range(folds))
    value = of(everyone)
    if value is None or folds < max(MIN_WINDOWS, least + 1):
        return Estimate(value)
    without = [of([fold for fold in everyone if fold != left_out]) for left_out in everyone]
    known = [other for other in without if other is not None]
    if len(known) < folds:
        return Estimate(value)
    log_J = np.log(known)
    corrected = math.exp(folds * math.log(value) - (folds - 1) * log_J.mean())
    return Estimate(corrected, _around(corrected, (folds - 1) * (log_J.mean() - log_J)))


def _around(value: float, influence_J: Array) -> Interval:
    factor = math.exp(min(_half_width(influence_J), 700.0))
    return value / factor, value * factor


def _half_width(influence_J: Array) -> float:
    count = len(influence_J)
    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * float(influence_J.std(ddof=1)) / math.sqrt(count)


def _over_different(products: Array) -> float:
    """The mean over entries whose indices all differ."""
    return float(products[_all_different(products.ndim, len(products))].mean())


@cache
def _all_different(indices: int, folds: int) -> tuple[NDArray[np.int64], ...]:
    return tuple(np.array(list(permutations(range(folds), indices))).T)


def _quotient(above: float, below: float) -> float | None:
    return above / below if above > 0 and below > 0 else None


def _array(tensor: Tensor) -> Array:
    return tensor.cpu().numpy()
