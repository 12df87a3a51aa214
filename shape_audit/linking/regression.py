"""Least squares with standard errors that unequal noise does not spoil."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]


def least_squares(y_N: Floats, columns: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Coefficients of the columns, the constant first, and their standard errors by HC3.

    HC3 divides each residual by 1 - its leverage (MacKinnon and White, Journal of Econometrics 29, 1985): of a few
    models, those at the ends of the scan pull the line to themselves.
    """
    x_NP = np.column_stack([np.ones_like(y_N), *columns])
    inverse_PP = np.linalg.inv(x_NP.T @ x_NP)
    found_P: Floats = inverse_PP @ x_NP.T @ y_N
    leverage_N = np.einsum("np,pq,nq->n", x_NP, inverse_PP, x_NP)
    left_N = (y_N - x_NP @ found_P) / (1 - leverage_N)
    half_PN = inverse_PP @ x_NP.T * left_N
    errors_P: Floats = np.sqrt(np.square(half_PN).sum(axis=1))
    return found_P, errors_P


def student_ends(value: float, error: float, degrees: int) -> tuple[float, float]:
    """The 95 % interval of a coefficient."""
    half = float(stdtrit(degrees, 0.975)) * error
    return value - half, value + half
