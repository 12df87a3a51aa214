"""Energies of G = (sum_s y_s y_s^T) / K from the products of pairs of windows alone: see `input_gradients`.

Each window counts as one token. U-statistics, plug-in values and influences are sums over parts of two K x K matrices,
and G has the eigenvalues of one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shape_audit.interaction.estimators.error_bars import FIRST_REFERENCE
from shape_audit.interaction.estimators.window_rows import RepeatedWindows


@dataclass(frozen=True)
class GramRows:
    """`Rows` of K windows, from <diag A_s, diag A_r>.

    Attributes:
        width: T V.
        diagonal_KK: sum_i A_s,ii A_r,ii.
        others: see `WindowRows`.
    """

    width: int
    index_K: Tensor
    tokens_K: Tensor
    trace_K: Tensor
    energy_K: Tensor
    diagonal_KK: Tensor
    inner_K: Tensor
    inner_diagonal_K: Tensor
    inner_trace_K: Tensor
    reference_tokens_K: Tensor

    @property
    def diagonal_energy_K(self) -> Tensor:
        return self.diagonal_KK.diagonal()

    @property
    def diagonal_pair_products(self) -> float:
        return float(self.diagonal_KK.tril(-1).sum())

    @property
    def diagonal_squared_norm(self) -> float:
        return float(self.diagonal_KK.sum())

    @property
    def tokens(self) -> int:
        return int(self.tokens_K.sum())

    def __len__(self) -> int:
        return len(self.index_K)


@dataclass(frozen=True)
class InputGrams:
    """All that the windows say of G.

    Attributes:
        index_K: number of each window, in the audit's order.
        width: T V, the side of G.
        gram_KK: y_s . y_r, float64 on the CPU.
        diagonal_KK: sum_i y_si^2 y_ri^2, likewise.
    """

    index_K: Tensor
    width: int
    gram_KK: Tensor
    diagonal_KK: Tensor

    @property
    def dtype(self) -> torch.dtype:
        return self.gram_KK.dtype

    @property
    def pair_products(self) -> float:
        return float(self.gram_KK.square().tril(-1).sum())

    @property
    def squared_norm(self) -> float:
        return float(self.gram_KK.square().sum())

    def rows(self) -> GramRows:
        return self.distinct(None)[0]

    def distinct(self, repeated: RepeatedWindows | None) -> tuple[GramRows, float]:
        """Rows and the sum of <A_s, A_r> over pairs, the copies of a window added up as one.

        Each copy has a cotangent of its own. S_ref is that of the first copy, and holds none of them.
        """
        count = len(self.index_K)
        first_J, times_J, member_K = torch.arange(count), torch.ones(count, dtype=torch.long), torch.arange(count)
        if repeated is not None:
            first_J, times_J, member_K = repeated.first_J, repeated.times_J, repeated.member_K
        groups_JK = torch.zeros(len(first_J), count, dtype=torch.float64)
        groups_JK[member_K, torch.arange(count)] = 1
        total_JK, diagonal_JK = groups_JK @ self.gram_KK.square(), groups_JK @ self.diagonal_KK
        total_JJ, trace_K = total_JK @ groups_JK.T, self.gram_KK.diagonal()
        before_J = torch.tensor([reference_of(int(index)) for index in self.index_K[first_J]])
        reference_JK = (self.index_K < before_J.unsqueeze(1)).double()
        trace_J = groups_JK @ trace_K
        rows = GramRows(
            width=self.width,
            index_K=self.index_K[first_J],
            tokens_K=times_J,
            trace_K=trace_J,
            energy_K=total_JJ.diagonal(),
            diagonal_KK=diagonal_JK @ groups_JK.T,
            inner_K=(total_JK * reference_JK).sum(1),
            inner_diagonal_K=(diagonal_JK * reference_JK).sum(1),
            inner_trace_K=trace_J * (reference_JK @ trace_K),
            reference_tokens_K=before_J,
        )
        return rows, float(total_JJ.tril(-1).sum())

    def eigenvalues(self, count: int) -> list[float]:
        """Of G, which has as many as there are windows; all others are zero."""
        found: list[float] = (torch.linalg.eigvalsh(self.gram_KK).flip(0) / len(self.index_K)).tolist()
        return [*found, *[0.0] * count][:count]


def reference_of(window: int) -> int:
    """How many windows are in the S_ref that a window meets: those before the last power of two, see `error_bars`."""
    return 2 ** (window.bit_length() - 1) if window >= FIRST_REFERENCE else 0
