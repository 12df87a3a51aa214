"""Rank correlation over shapes, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import spearmanr

FEWEST = 6
"""Points: of five even a perfect order comes up by chance once in sixty, either way round."""
NORMAL = 1.96


@dataclass(frozen=True)
class Correlation:
    """Spearman's, and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval lies on one side of zero, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def spearman(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Over shapes, each given once; the interval by Fisher's z with the variance (1 + r^2 / 2) / (n - 3) of Bonett and
    Wright (Psychometrika 65, 2000).

    Resampled shapes were tried: of few shapes a resample has so many ties that intervals come out far too narrow.
    """
    value = float(spearmanr(x, y).statistic)
    if len(x) < FEWEST or math.isnan(value):
        return Correlation(value, -1.0, 1.0)
    z = math.atanh(max(-1 + 1e-9, min(1 - 1e-9, value)))
    half = NORMAL * math.sqrt((1 + value**2 / 2) / (len(x) - 3))
    return Correlation(value, math.tanh(z - half), math.tanh(z + half))
