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
   (Hoeffding), and never by more than their sum. The plug-in energy ||sum A_s||^2 likewise, with 2 <E_s, sum_r A_r> and
   ||sum E_s||^2. Numerators of the diagonal and of the trace are sums of products of positive numbers: they move by
   2 r relative. An eigenvalue of G moves by at most ||sum E_s|| / n (Weyl), where ||E_s|| <= r_s tr(A_s).

2. Sums, in float64. Each product <A_s, sum of the A_r before> is wrong by Z (sqrt(K) + c) u ||A_s|| sum ||A_r||, c the
   root of the number of entries that are added up in turn. Diagonal and trace add up positive products only. What is
   left where one energy is taken from another is wrong by as much as these are.

3. The gradients. What they are wrong by is not in the sums; `GradientNoise` has it from two computations of the same
   gradients. Noise of mean zero that differs from window to window widens the spread of windows, which intervals hold
   anyway, and on average adds its own matrix N to each A_s: energies rise by 2 <A, N> + ||N||^2, eigenvalues by at most
   tr(N).

A quotient a / b moves by (|da| + |a/b| |db|) / (|b| - |db|), a constant beside it not at all; where |db| reaches |b|
there is no bound. What the bias correction adds to that stands in `rounding_of_bias`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shape_audit.interaction.estimators.energy_errors import DOUBLE_UNIT, EnergyErrors, Z, lost_in_sums
from shape_audit.interaction.estimators.error_bars import ErrorBars
from shape_audit.interaction.estimators.gradient_noise import NO_NOISE, GradientNoise
from shape_audit.interaction.estimators.rounding_of_bias import bias_error
from shape_audit.interaction.estimators.statistics import AOFE, Energies, pairs_of_tokens, quotients
from shape_audit.interaction.estimators.window_rows import Rows

NEGLIGIBLE = 1e-5
"""Of what a number could be: no report shows so many digits."""
SHARE_OF_INTERVAL = 0.1
"""Rounding that moves a number by less than this share of half its interval is not worth a word."""
SHARE_OF_VALUE = 0.01
"""The same of a number that has no interval."""

Bounds = dict[str, float | None]
"""Name of a number -> bound on its rounding error, in its own unit; None where rounding may be all of it."""


@dataclass(frozen=True)
class Rounding:
    """What rounds at a site, and by how much each number may have moved for it.

    Attributes:
        rows: of the windows, equal ones as one.
        dtype: of the product that A_s is.
        copies_K: how many windows each row stands for; None for one. Copies in other micro-batches are rounded in
            another way, so that their products with each other are left out no more exactly than A_s is known.
        noise: of the gradients.
    """

    rows: Rows
    dtype: torch.dtype
    copies_K: Tensor | None = None
    noise: GradientNoise = NO_NOISE

    @property
    def relative_K(self) -> Tensor:
        """r_s."""
        return Z * torch.finfo(self.dtype).eps / 2 * self.rows.tokens_K.double().sqrt()

    @property
    def trace(self) -> float:
        """Of tr(G)."""
        return (float(self.relative_K.max()) + self.noise.trace) * float(self.rows.trace_K.sum()) / self.rows.tokens

    def of_unbiased(self, energies: Energies, bars: ErrorBars | None) -> Bounds:
        """`aofe` and each of `quotients` that has a value.

        Args:
            bars: from which quotients have their bias correction; None where they have none.
        """
        errors = self.unbiased_errors(energies)
        bounds: Bounds = {"aofe": errors.of(AOFE)}
        for name, bound in _of_quotients(energies, errors).items():
            corrected = None
            if bound is not None and bars is not None:
                bias = bias_error(bars, self.rows, name, relative=self._of_products, errors=errors)
                corrected = None if bias is None else bound + bias
            bounds[name] = bound if bars is None else corrected
        return bounds

    def of_plugin(self, energies: Energies) -> Bounds:
        """The same of plug-in values, as `aofe_plugin` and so on."""
        errors = self.plugin_errors(energies)
        bounds: Bounds = {"aofe": errors.of(AOFE), **_of_quotients(energies, errors)}
        return {f"{name}_plugin": bound for name, bound in bounds.items()}

    def of_spectrum(self, eigenvalues: Sequence[float]) -> Bounds:
        """`spectrum`, one bound for all eigenvalues, and `spectrum_share`."""
        trace_K, count = self.rows.trace_K, len(eigenvalues)
        trace, width = float(trace_K.sum()), self.rows.width
        moved = float((self.relative_K * trace_K).sum()) / trace + self.noise.trace + Z * DOUBLE_UNIT * width
        share = sum(eigenvalues) / (trace / self.rows.tokens)
        return {"spectrum": moved * trace / self.rows.tokens, "spectrum_share": count * moved + share * moved}

    def unbiased_errors(self, energies: Energies) -> EnergyErrors[float]:
        """Of U-statistics."""
        rows, r_K = self.rows, self.relative_K
        pairs = pairs_of_tokens(rows)
        copied_K = torch.zeros_like(r_K) if self.copies_K is None else (self.copies_K > 1).double()
        e_K, whole_K = self._products_K, rows.energy_K.sqrt()
        off_K = (rows.energy_K - rows.diagonal_energy_K).clamp(min=0).sqrt()
        of_products = _of_independent(2 * e_K * _of_others(off_K + e_K))
        of_sums = 2 * lost_in_sums(self.rows) * float((whole_K.cumsum(0)[:-1] * whole_K[1:]).sum())
        of_copies = 2 * float(copied_K @ (r_K * rows.energy_K))
        return self._errors(energies, (of_products + of_sums + of_copies) / pairs)

    def plugin_errors(self, energies: Energies) -> EnergyErrors[float]:
        """Of the energies of the summed AGOP itself."""
        e_K = self._products_K
        norm, off = (self.rows.tokens * math.sqrt(max(energy, 0.0)) for energy in (energies.total, energies.aofe))
        of_products = _of_independent(2 * e_K * (off + e_K.sum())) + float(e_K.sum()) ** 2
        of_sums = 2 * lost_in_sums(self.rows) * norm * float(self.rows.energy_K.sqrt().sum())
        return self._errors(energies, (of_products + of_sums) / self.rows.tokens**2)

    @property
    def _products_K(self) -> Tensor:
        """e_s."""
        rows = self.rows
        return self.relative_K * (rows.trace_K.square() - rows.diagonal_energy_K).clamp(min=0).sqrt()

    @property
    def _of_products(self) -> float:
        """r, and half of what noise of the gradients does to products of two windows."""
        noise = self.noise
        return float(self.relative_K.max()) + (noise.off + noise.diagonal + noise.trace2) / 2

    def _errors(self, energies: Energies, off: float) -> EnergyErrors[float]:
        """All bounds, from what products and sums do off the diagonal."""
        noise, r = self.noise, float(self.relative_K.max())
        lost = lost_in_sums(self.rows)
        relative = 2 * r + r**2 + lost
        of_diagonal, of_trace2 = noise.diagonal * abs(energies.diagonal), noise.trace2 * abs(energies.trace2)
        apart = relative * abs(energies.trace2 - energies.diagonal) + lost * abs(energies.trace2)
        return EnergyErrors(
            off=off + lost * abs(energies.diagonal) + noise.off * abs(energies.total),
            diagonal=relative * abs(energies.diagonal) + of_diagonal,
            trace2=relative * abs(energies.trace2) + of_trace2,
            trace2_less_diagonal=apart + of_diagonal + of_trace2,
        )


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


def _of_quotients(energies: Energies, errors: EnergyErrors[float]) -> Bounds:
    bounds: Bounds = {}
    for name, quotient in quotients(energies.width).items():
        a, b = energies.of(quotient.numerator), energies.of(quotient.denominator)
        if b != 0:
            left = abs(b) - errors.of(quotient.denominator)
            moved = errors.of(quotient.numerator) + abs(a / b) * errors.of(quotient.denominator)
            bounds[name] = moved / left if left > 0 else None
    return bounds


def _of_independent(largest_K: Tensor) -> float:
    """Of a sum of independent terms of mean zero, each at most so large."""
    return min(Z * float(largest_K.square().sum().sqrt()), float(largest_K.sum()))


def _of_others(amount_K: Tensor) -> Tensor:
    """For each window the sum over all others; nothing is subtracted, for one may outweigh the rest."""
    before_K, after_K = amount_K.cumsum(0), amount_K.flip(0).cumsum(0).flip(0)
    none = amount_K.new_zeros(1)
    return torch.cat([none, before_K[:-1]]) + torch.cat([after_K[1:], none])
