"""Error bars of U-statistics, and the bias correction of their ratios.

The window is the independent unit. For window s with T tokens, K windows and n tokens in all, the influence on
total_U (a U-statistic of order two: twice its projection on one window) is

    psi_s = 2 ( <A_s, S_ref> / n_ref - T total_U ) K / n

where S_ref is a sum of EARLIER windows only, so that no window meets itself; diagonal and trace likewise, with the same
S_ref. Cov(total_U, ...) = Cov(psi) / K; functions of energies by the delta method, energies on the log scale.

A quotient a / b of estimates is biased by - Cov(a, b) / b^2 + a Var(b) / b^3 to first order, which is taken off.

Intervals are Student's t. Gradient energies have heavy tails (a few windows carry much of it), and then a sample
variance is worth fewer degrees of freedom than it has terms: with kurtosis k, Var(s^2) = sigma^4 (k - 1) / K', that of
a chi-square with 2 K' / (k - 1) degrees (Satterthwaite's matching of moments; k by Fisher's estimator). The smaller of
that and K' - 1 is used. Intervals are those of K' windows, the ones that have an influence: of the spread of the first
four nothing is known, and counting them (variance / K) left one site in six below 92 % at 32 windows.

What was tried before (benchmarks/fidelity.py measures the coverage of what is here): exact diagonals beside the noisy
S_ref, which do not share its noise, so that intervals of ratios came out too wide at middle sites; K' - 1 degrees of
freedom, which are too many where tails are heavy; a random bilinear sketch in the place of S_ref, whose error all
windows share.
"""

from __future__ import annotations

import math

import torch
from scipy.special import stdtrit
from torch import Tensor

from shape_audit.interaction.estimators.sample_size import MIN_WINDOWS
from shape_audit.interaction.estimators.statistics import AOFE, Energies, Form, quotients
from shape_audit.interaction.estimators.window_rows import Rows

CONFIDENCE = 0.95
FIRST_REFERENCE = 4

Interval = tuple[float, float]


def is_reference_point(windows: int) -> bool:
    """Whether S_ref is frozen once so many windows are in: at 4, 8, 16, 32 ..."""
    return windows >= FIRST_REFERENCE and windows & (windows - 1) == 0


class ErrorBars:
    """What the spread of a site's windows says about its energies.

    Attributes:
        influence_K3: psi of (total, diagonal, trace2), for the windows that have a reference.
    """

    def __init__(self, energies: Energies, rows: Rows) -> None:
        """Raises ValueError where fewer than two windows have an influence."""
        self.energies, self.windows = energies, len(rows)
        self.influence_K3 = influences(energies, rows)
        if len(self.influence_K3) < 2:
            raise ValueError(f"{len(rows)} windows have too few influences for error bars")

    def covariance(self, a: Form, b: Form) -> float:
        """Of two linear forms of the energies, made of influences first: where these nearly cancel, covariances do."""
        of_forms_2K = torch.stack([self.influence_K3 @ _tensor(form) for form in (a, b)])
        return float(of_forms_2K.cov()[0, 1]) / self.windows

    def corrected(self, name: str) -> float | None:
        """A quotient without its first-order bias."""
        raw = self.energies.quotient(name)
        if raw is None:
            return None
        quotient = quotients(self.energies.width)[name]
        numerator, denominator = quotient.numerator, quotient.denominator
        a, b = self.energies.of(numerator), self.energies.of(denominator)
        mixed, own = self.covariance(numerator, denominator), self.covariance(denominator, denominator)
        bias = -mixed / b / b + a / b * (own / b / b)  # one by one: of gradients of 1e-30, b^3 is no double
        return raw - bias

    def quotient_interval(self, name: str) -> Interval | None:
        """Around the corrected quotient, on its own scale."""
        centre = self.corrected(name)
        if centre is None:
            return None
        quotient = quotients(self.energies.width)[name]
        a, b = self.energies.of(quotient.numerator), self.energies.of(quotient.denominator)
        half = self._half_width((_tensor(quotient.numerator) - a / b * _tensor(quotient.denominator)) / b)
        return centre - half, centre + half

    def aofe_interval(self) -> Interval:
        """On the log scale, so that it stays positive; on its own where the estimate is not."""
        aofe, half = self.energies.aofe, self._half_width(_tensor(AOFE))
        if aofe <= 0:
            return aofe - half, aofe + half
        factor = math.exp(min(half / aofe, 700.0))
        return aofe / factor, aofe * factor

    def _half_width(self, gradient_3: Tensor) -> float:
        return half_width(self.influence_K3 @ gradient_3)


def influences(energies: Energies, rows: Rows) -> Tensor:
    """psi_s of (total, diagonal, trace2), float64, for the windows that have a reference: (K', 3)."""
    inner_K3 = torch.stack([rows.inner_K, rows.inner_diagonal_K, rows.inner_trace_K], dim=1)
    truth_3 = torch.tensor([energies.total, energies.diagonal, energies.trace2], dtype=torch.float64)
    estimate_K3 = inner_K3 / rows.reference_tokens_K.clamp(min=1).unsqueeze(1)
    influence_K3 = 2 * (estimate_K3 - rows.tokens_K.unsqueeze(1) * truth_3) * len(rows) / rows.tokens
    return influence_K3[rows.reference_tokens_K > 0]


def mean_interval(amount_K: Tensor, size_K: Tensor) -> Interval | None:
    """Of sum(amount) / sum(size), windows being the sample: nats per token, nats per byte, trace per token."""
    if len(amount_K) < MIN_WINDOWS or float(size_K.sum()) == 0:
        return None
    amount_K, size_K = amount_K.double(), size_K.double()
    mean = float(amount_K.sum() / size_K.sum())
    half = half_width((amount_K - mean * size_K) / size_K.mean())
    return mean - half, mean + half


def half_width(influence_K: Tensor) -> float:
    """Half the interval of an estimate from the influences of its windows."""
    variance = float(influence_K.var())
    if variance == 0:
        return 0.0
    quantile = float(stdtrit(degrees_of_freedom(influence_K), (1 + CONFIDENCE) / 2))
    return quantile * math.sqrt(variance / len(influence_K))


def degrees_of_freedom(influence_K: Tensor) -> float:
    """What the sample variance is worth: see the module. At least 2, where t still has a usable quantile."""
    count = len(influence_K)
    if count < 4:
        return count - 1
    centred_K = influence_K - influence_K.mean()
    centred_K = centred_K / centred_K.abs().max()  # fourth powers of tiny gradients are no doubles
    plain_excess = float((centred_K**4).mean() / (centred_K**2).mean() ** 2) - 3
    excess = (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * plain_excess + 6)  # Fisher's, less biased
    matched = 2 * count / (excess + 2) if excess > -2 else math.inf
    return min(count - 1, max(matched, 2.0))


def _tensor(form: Form) -> Tensor:
    return torch.tensor(form, dtype=torch.float64)
