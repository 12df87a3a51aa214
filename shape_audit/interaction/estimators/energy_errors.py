"""Bounds on the errors of the three energies, kept so that differences of energies have small ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from shape_audit.interaction.estimators.statistics import Form
from shape_audit.interaction.estimators.upper_triangle import ROWS
from shape_audit.interaction.estimators.window_rows import Rows

Z = 5.0
"""Chance of a larger error than is said here: 2 exp(-Z^2 / 2), one in 130,000."""
DOUBLE_UNIT = torch.finfo(torch.float64).eps / 2

Amount = TypeVar("Amount", float, Tensor)


@dataclass(frozen=True)
class EnergyErrors(Generic[Amount]):
    """Bounds for energies, or for products of windows.

    Attributes:
        off, diagonal: total is the sum of these two.
        trace2: of tr(G)^2.
        trace2_less_diagonal: of tr(G)^2 - sum_i G_ii^2, a sum of positive products itself.
    """

    off: Amount
    diagonal: Amount
    trace2: Amount
    trace2_less_diagonal: Amount

    def of(self, form: Form) -> Amount:
        """Of a linear form of (total, diagonal, trace2)."""
        off, diagonal, trace2 = form[0], form[0] + form[1], form[2]
        if trace2 and diagonal == -trace2:
            return abs(off) * self.off + abs(trace2) * self.trace2_less_diagonal
        return abs(off) * self.off + abs(diagonal) * self.diagonal + abs(trace2) * self.trace2


def lost_in_sums(rows: Rows) -> float:
    """What a sum over windows or over a matrix loses in float64, relative to the sum of its terms without signs."""
    count, width = len(rows), rows.width
    return Z * DOUBLE_UNIT * (math.sqrt(count) + math.sqrt(width * min(ROWS, width)))
