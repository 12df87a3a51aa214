"""What the rounding errors of gradients add to energies, seen from two computations of the same gradients."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class GradientNoise:
    """By how much noise of the gradients raises energies on average, relative.

    Attributes:
        off: the off-diagonal energy, relative to the total.
        diagonal: sum_i G_ii^2.
        trace2: tr(G)^2.
        trace: tr(G).
    """

    off: float
    diagonal: float
    trace2: float
    trace: float

    @classmethod
    def between(cls, one_TD: Tensor, other_TD: Tensor) -> GradientNoise:
        """From gradients of the same tokens, computed twice with errors that have nothing to do with each other.

        With g the one and n their difference over the root of 2, A = g^T g, N = n^T n, the mean of (g + n)^T (g + n)
        is A + N: energies rise by 2 <A, N> + ||N||^2, where <A, N> = ||g n^T||^2.
        """
        g_TD, other_TD = one_TD.double(), other_TD.double()
        n_TD = (other_TD - g_TD) / 2**0.5
        a_D, n_D = g_TD.square().sum(0), n_TD.square().sum(0)
        if float(a_D.sum()) == 0:
            return NO_NOISE
        total = float((g_TD @ g_TD.T).square().sum())
        rise = float(2 * (g_TD @ n_TD.T).square().sum() + (n_TD @ n_TD.T).square().sum())
        rise_of_diagonal = float(2 * (a_D @ n_D) + n_D @ n_D)
        trace = float(n_D.sum() / a_D.sum())
        return cls(
            off=abs(rise - rise_of_diagonal) / total,
            diagonal=rise_of_diagonal / float(a_D @ a_D),
            trace2=2 * trace + trace**2,
            trace=trace,
        )


NO_NOISE = GradientNoise(0.0, 0.0, 0.0, 0.0)
