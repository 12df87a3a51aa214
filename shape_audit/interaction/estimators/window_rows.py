"""The few numbers that are kept of each window at a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Rows(Protocol):
    """What energies and their errors are worked out from, beside the products of pairs: see `WindowRows`."""

    @property
    def index_K(self) -> Tensor: ...
    @property
    def tokens_K(self) -> Tensor: ...
    @property
    def trace_K(self) -> Tensor: ...
    @property
    def energy_K(self) -> Tensor: ...
    @property
    def diagonal_energy_K(self) -> Tensor: ...
    @property
    def inner_K(self) -> Tensor: ...
    @property
    def inner_diagonal_K(self) -> Tensor: ...
    @property
    def inner_trace_K(self) -> Tensor: ...
    @property
    def reference_tokens_K(self) -> Tensor: ...
    @property
    def width(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def diagonal_pair_products(self) -> float: ...
    @property
    def diagonal_squared_norm(self) -> float: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class WindowRows:
    """What is kept of each of K windows: D + 7 numbers, float64 but for counts.

    Attributes:
        index_K: number of the window in the audit's order.
        tokens_K: its T.
        diagonal_KD: diag(A_s).
        energy_K: ||A_s||_F^2.
        inner_K: <A_s, S_ref>; 0 where there was no S_ref.
        inner_diagonal_K: sum_i A_s,ii S_ref,ii, likewise.
        inner_trace_K: tr A_s tr S_ref, likewise.
        reference_tokens_K: tokens in that S_ref; 0 where there was none.
    """

    index_K: Tensor
    tokens_K: Tensor
    diagonal_KD: Tensor
    energy_K: Tensor
    inner_K: Tensor
    inner_diagonal_K: Tensor
    inner_trace_K: Tensor
    reference_tokens_K: Tensor

    @property
    def trace_K(self) -> Tensor:
        return self.diagonal_KD.sum(1)

    @property
    def diagonal_energy_K(self) -> Tensor:
        """sum_i A_s,ii^2."""
        return self.diagonal_KD.square().sum(1)

    @property
    def diagonal_pair_products(self) -> float:
        """The sum of sum_i A_s,ii A_r,ii over pairs s < r."""
        return pair_products(self.diagonal_KD)

    @property
    def diagonal_squared_norm(self) -> float:
        """sum_i (sum_s A_s,ii)^2."""
        return float(self.diagonal_KD.sum(0).square().sum())

    @property
    def width(self) -> int:
        return self.diagonal_KD.shape[1]

    @property
    def tokens(self) -> int:
        return int(self.tokens_K.sum())

    def __len__(self) -> int:
        return len(self.index_K)

    def to(self, device: torch.device) -> WindowRows:
        return WindowRows(*(column.to(device) for column in self.tensors()))

    def tensors(self) -> tuple[Tensor, ...]:
        return (
            self.index_K,
            self.tokens_K,
            self.diagonal_KD,
            self.energy_K,
            self.inner_K,
            self.inner_diagonal_K,
            self.inner_trace_K,
            self.reference_tokens_K,
        )

    def of_distinct(self, repeated: RepeatedWindows) -> WindowRows:
        """The same windows, equal ones as one: a window that comes m times contributes m A_s, once.

        So copies count once wherever windows are counted. <A_s, S_ref> is that of the first copy: S_ref holds earlier
        windows only, and none of those is its like.
        """
        first, m = repeated.first_J, repeated.times_J.double()
        return WindowRows(
            index_K=self.index_K[first],
            tokens_K=self.tokens_K[first] * repeated.times_J,
            diagonal_KD=self.diagonal_KD[first] * m.unsqueeze(1),
            energy_K=self.energy_K[first] * m.square(),
            inner_K=self.inner_K[first] * m,
            inner_diagonal_K=self.inner_diagonal_K[first] * m,
            inner_trace_K=self.inner_trace_K[first] * m,
            reference_tokens_K=self.reference_tokens_K[first],
        )


@dataclass(frozen=True)
class RepeatedWindows:
    """Which of K windows are equal.

    Attributes:
        first_J: row of each distinct window's first copy, in order.
        times_J: how many copies there are.
        member_K: of which distinct window each is a copy.
    """

    first_J: Tensor
    times_J: Tensor
    member_K: Tensor

    @classmethod
    def of(cls, windows: Sequence[tuple[int, ...]]) -> RepeatedWindows:
        """By the windows' ids, in the audit's order."""
        seen: dict[tuple[int, ...], list[int]] = {}
        for row, ids in enumerate(windows):
            seen.setdefault(ids, []).append(row)
        copies = list(seen.values())
        number = {ids: j for j, ids in enumerate(seen)}
        return cls(
            torch.tensor([rows[0] for rows in copies]),
            torch.tensor([len(rows) for rows in copies]),
            torch.tensor([number[ids] for ids in windows]),
        )

    def between_distinct(self, pair_products: float, rows: WindowRows) -> float:
        """The sum of <A_s, A_r> over pairs of different windows, without the pairs of a window and its copy.

        Args:
            rows: `of_distinct`, whose `energy_K` is ||m A_s||^2; m copies make m (m - 1) / 2 pairs.
        """
        return pair_products - float((rows.energy_K * (1 - 1 / self.times_J.double())).sum()) / 2

    def once(self, amount_K: Tensor) -> Tensor:
        """An amount of each window, added up over the copies: (J,)."""
        return amount_K[self.first_J] * self.times_J


def pair_products(vectors_KD: Tensor) -> float:
    """The sum of <v_s, v_r> over pairs s < r, each vector with the sum of those before it: nothing is subtracted."""
    return float((vectors_KD.cumsum(0)[:-1] * vectors_KD[1:]).sum())
