"""How much of each number may be rounding: bounds from what the sums hold.

Rounding errors are taken as independent with mean zero, as in Higham and Mary (SIAM J. Sci. Comput. 41, 2019): a sum
of n terms x_i is then wrong by at most `Z` sqrt(n) u sum |x_i| but for a chance of 2 exp(-Z^2 / 2), u the unit
roundoff. Three things round.

1. The product A_s = g_s^T g_s, in float32 for a float32 model. What is held is A_s + E_s with, entry by entry,

       |E_s,ij| <= r_s sum_t |g_ti| |g_tj| <= r_s sqrt(A_s,ii A_s,jj),      r_s = Z sqrt(T) u

   (the second step is Cauchy's), so that off the diagonal ||E_s|| <= e_s := r_s sqrt(tr(A_s)^2 - sum_i A_s,ii^2), and
   on it A_s,ii moves by r_s A_s,ii. Products and sums are all of the same A_s + E_s. So the off-diagonal numerator, the
   sum of <A_s, A_r> over pairs of different windows, moves by the sum over s of 2 <E_s, sum_{r != s} A_r>, whose terms
   are independent, each at most 2 e_s sum_{r != s} ||A_r||: by at most Z times the root of the sum of their squares
   (Hoeffding), and never by more than their sum. Numerators of the diagonal and of the trace are sums of products of
   positive numbers: they move by 2 r relative.

2. Sums, in float64. Each product <A_s, sum of the A_r before> is wrong by Z (sqrt(K) + c) u ||A_s|| sum ||A_r||, c the
   root of the number of entries that are added up in turn. Diagonal and trace add up positive products only.

3. The gradients. What they are wrong by is not in the sums; `GradientNoise` has it from two computations of the same
   gradients. Noise of mean zero that differs from window to window widens the spread of windows, which intervals hold
   anyway, and on average adds its own matrix N to each A_s: energies rise by 2 <A, N> + ||N||^2.

A quotient a / b moves by (|da| + |a/b| |db|) / (|b| - |db|), a constant beside it not at all; where |db| reaches |b|
there is no bound. Plug-in values are no differences: their relative error is r tr(G) / ||G|| at most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from shape_audit.interaction.estimators.gradient_noise import NO_NOISE, GradientNoise
from shape_audit.interaction.estimators.statistics import AOFE, Energies, Form, pairs_of_tokens, quotients, unbiased
from shape_audit.interaction.estimators.upper_triangle import ROWS
from shape_audit.interaction.estimators.window_rows import WindowRows

Z = 5.0
"""Chance of a larger error: 2 exp(-Z^2 / 2), one in 130,000."""
DOUBLE_UNIT = torch.finfo(torch.float64).eps / 2
NEGLIGIBLE = 1e-5
"""Of what a number could be: no report shows so many digits."""
SHARE_OF_INTERVAL = 0.1
"""Rounding that moves a number by less than this share of half its interval is not worth a word."""
SHARE_OF_VALUE = 0.01
"""The same of a number that has no interval."""

Bounds = dict[str, float | None]
"""Name of a number -> bound on its rounding error, in its own unit; None where rounding may be all of it."""


@dataclass(frozen=True)
class EnergyErrors:
    """Bounds for the unbiased energies.

    Attributes:
        off, diagonal: total is the sum of these two.
        trace2: of tr(G)^2.
        trace2_less_diagonal: of tr(G)^2 - sum_i G_ii^2, a sum of positive products itself.
    """

    off: float
    diagonal: float
    trace2: float
    trace2_less_diagonal: float

    def of(self, form: Form) -> float:
        """Of a linear form of (total, diagonal, trace2)."""
        off, diagonal, trace2 = form[0], form[0] + form[1], form[2]
        if trace2 and diagonal == -trace2:
            return abs(off) * self.off + abs(trace2) * self.trace2_less_diagonal
        return abs(off) * self.off + abs(diagonal) * self.diagonal + abs(trace2) * self.trace2


def rounding_errors(
    pair_products: float,
    rows: WindowRows,
    dtype: torch.dtype,
    *,
    copies_K: Tensor | None = None,
    noise: GradientNoise = NO_NOISE,
) -> Bounds:
    """Bounds for the numbers of a site.

    Args:
        pair_products: sum of <A_s, A_r> over pairs of different windows.
        rows: of the windows, equal ones as one.
        dtype: of the product that A_s is.
        copies_K: how many windows each row stands for; None for one. Copies in other micro-batches are rounded in
            another way, so that their products with each other are left out no more exactly than A_s is known.
        noise: of the gradients.

    Returns:
        `aofe`, `trace` and each of `quotients` that has a value.
    """
    unit = torch.finfo(dtype).eps / 2
    trace = float(rows.trace_K.sum()) / rows.tokens
    bounds: Bounds = {"trace": (Z * unit * math.sqrt(int(rows.tokens_K.max())) + noise.trace) * trace}
    energies = unbiased(pair_products, rows)
    if energies is None:
        return bounds
    errors = energy_errors(rows, energies, unit=unit, copies_K=copies_K, noise=noise)
    bounds["aofe"] = errors.of(AOFE)
    for name, quotient in quotients(energies.width).items():
        a, b = energies.of(quotient.numerator), energies.of(quotient.denominator)
        if b != 0:
            left = abs(b) - errors.of(quotient.denominator)
            moved = errors.of(quotient.numerator) + abs(a / b) * errors.of(quotient.denominator)
            bounds[name] = moved / left if left > 0 else None
    return bounds


def is_limited_by_rounding(value: float, bound: float | None, half_width: float | None, *, largest: float) -> bool:
    """Whether rounding may have moved a number by more than a reader would expect from its interval.

    Args:
        half_width: half of its interval; None where it has none.
        largest: what the number could be; rounding of `NEGLIGIBLE` of that never matters.
    """
    if bound is None:
        return True
    expected = SHARE_OF_VALUE * abs(value) if half_width is None else SHARE_OF_INTERVAL * half_width
    return bound > max(expected, NEGLIGIBLE * largest)


def energy_errors(
    rows: WindowRows,
    energies: Energies,
    *,
    unit: float,
    copies_K: Tensor | None = None,
    noise: GradientNoise = NO_NOISE,
) -> EnergyErrors:
    """Bounds for the energies; `unit` is the unit roundoff of the product."""
    count, width = rows.diagonal_KD.shape
    pairs = pairs_of_tokens(rows)
    r_K = Z * unit * rows.tokens_K.double().sqrt()
    copied_K = torch.zeros_like(r_K) if copies_K is None else (copies_K > 1).double()
    trace_K, squares_K = rows.trace_K, rows.diagonal_KD.square().sum(1)
    e_K = r_K * (trace_K.square() - squares_K).clamp(min=0).sqrt()
    norm_K = (rows.energy_K - squares_K).clamp(min=0).sqrt()
    moved_K = 2 * e_K * _of_others(norm_K + e_K)
    of_products = min(Z * float(moved_K.square().sum().sqrt()), float(moved_K.sum()))
    whole_K = rows.energy_K.sqrt()
    lost = Z * DOUBLE_UNIT * (math.sqrt(count) + math.sqrt(width * min(ROWS, width)))
    of_sums = 2 * lost * float((whole_K.cumsum(0)[:-1] * whole_K[1:]).sum())
    of_copies = 2 * float(copied_K @ (r_K * rows.energy_K))
    relative = 2 * float(r_K.max()) + float(r_K.max()) ** 2 + lost
    of_diagonal, of_trace2 = noise.diagonal * abs(energies.diagonal), noise.trace2 * abs(energies.trace2)
    return EnergyErrors(
        off=(of_products + of_sums + of_copies) / pairs + noise.off * abs(energies.total),
        diagonal=relative * abs(energies.diagonal) + of_diagonal,
        trace2=relative * abs(energies.trace2) + of_trace2,
        trace2_less_diagonal=relative * abs(energies.trace2 - energies.diagonal) + of_diagonal + of_trace2,
    )


def _of_others(amount_K: Tensor) -> Tensor:
    """For each window the sum over all others; nothing is subtracted, for one may outweigh the rest."""
    before_K, after_K = amount_K.cumsum(0), amount_K.flip(0).cumsum(0).flip(0)
    none = amount_K.new_zeros(1)
    return torch.cat([none, before_K[:-1]]) + torch.cat([after_K[1:], none])
