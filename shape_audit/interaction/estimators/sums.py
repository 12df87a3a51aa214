"""The sums over windows that every number of a site is made from, and the few numbers kept of each window.

Legend: B windows of a micro-batch, K windows in all, T tokens, D width. With g_t the gradient at token t of window s,
A_s = sum_t g_t g_t^T is that window's contribution; G = (sum_s A_s) / n with n tokens is the AGOP.

Sums and rows merge by addition and do not depend on batch size, order or number of processes. Error bars need one
thing more: S_ref, the sum of earlier windows, frozen from time to time (`SiteSums.freeze`), with which every later
window is compared. So they depend on the order of windows, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

ROWS_AT_A_TIME = 256
"""Rows of a block of the upper triangle: leaving out what lies below saves up to half of the product."""


@dataclass(frozen=True)
class WindowRows:
    """What is kept of each window: D + 7 numbers, float64 but for counts.

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


@dataclass
class SiteSums:
    """Sums over windows at one site, on the device the gradients live on where it has float64.

    Attributes:
        upper_DD: sum_s A_s, in float32, or float64 for a float64 model. Symmetric, so only the upper triangle is kept
            up to date; `agop_DD` gives the whole.
        reference_DD: the upper triangle of S_ref with its diagonal halved, so that <A, S_ref> is twice <A, it>.
        reference_diagonal_D: diag(S_ref), exact.
        reference_tokens: tokens in S_ref; 0 before the first `freeze`.
        kept: rows of the windows added so far, a piece a micro-batch.
    """

    upper_DD: Tensor
    reference_DD: Tensor | None = None
    reference_diagonal_D: Tensor | None = None
    reference_tokens: int = 0
    kept: list[WindowRows] = field(default_factory=list)

    @classmethod
    def zeros(cls, width: int, *, dtype: torch.dtype, device: torch.device) -> SiteSums:
        """Empty sums for a site of `width` channels; `dtype` as of the model, sums are float32 or better."""
        sum_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        return cls(upper_DD=torch.zeros(width, width, dtype=sum_dtype, device=device))

    @property
    def width(self) -> int:
        return self.upper_DD.shape[0]

    @property
    def agop_DD(self) -> Tensor:
        """sum_s A_s, whole."""
        return self.upper_DD.triu() + self.upper_DD.triu(1).T

    def rows(self) -> WindowRows:
        """The rows of all windows, in the audit's order, on the CPU.

        Raises:
            ValueError: a window was added twice.
        """
        if not self.kept:
            none, counts = torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.long)
            return WindowRows(counts, counts, none.reshape(0, self.width), none, none, none, none, counts)
        columns = [torch.cat(column).cpu() for column in zip(*(rows.tensors() for rows in self.kept), strict=True)]
        order = columns[0].argsort(stable=True)
        if bool((columns[0][order].diff() == 0).any()):
            raise ValueError("a window was added twice")
        return WindowRows(*(column[order] for column in columns))

    def freeze(self, summed: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> None:
        """From now on, windows are compared with the sum of all those added so far.

        Args:
            summed: the sum of a tensor over all processes that share the pass.
        """
        rows = self.rows()  # in one piece and in order: a run that was resumed adds up in the same way, to the bit
        diagonal_D = rows.diagonal_KD.sum(0).to(self.upper_DD.device)
        tokens = rows.tokens_K.sum().reshape(1).to(self.upper_DD.device)
        self.reference_DD = summed(self.upper_DD).triu()
        self.reference_DD.diagonal().mul_(0.5)
        self.reference_diagonal_D = summed(diagonal_D)
        self.reference_tokens = int(summed(tokens))

    def add(self, grad_BTD: Tensor, first: int) -> None:
        """Add the windows `first`, `first` + 1 ... of a micro-batch, each with its T gradients: all of them or none.

        ||A_s||_F^2 equals ||g_s g_s^T||_F^2, the T x T Gram matrix: the smaller of the two products is formed.

        Where memory ends, nothing has been added yet: what allocates comes first, the sum is changed last.
        """
        grad_BTD = grad_BTD.to(self.upper_DD)
        batch, tokens, width = grad_BTD.shape
        inner_B = torch.zeros(batch, dtype=torch.float64, device=grad_BTD.device)
        if tokens < width:
            if self.reference_DD is not None:
                flat_ND = grad_BTD.reshape(-1, width)
                for begin, end in _row_blocks(width):
                    product_NE = flat_ND[:, begin:end] @ self.reference_DD[begin:end, begin:]
                    inner_B += product_NE.mul_(flat_ND[:, begin:]).view(batch, -1).sum(1, dtype=torch.float64)
            gram = grad_BTD @ grad_BTD.mT
        else:
            gram = grad_BTD.mT @ grad_BTD
            if self.reference_DD is not None:
                inner_B += (gram * self.reference_DD).sum((1, 2), dtype=torch.float64)
        diagonal_BD = grad_BTD.square().sum(1, dtype=torch.float64)
        reference_D = self.reference_diagonal_D
        if reference_D is None:
            reference_D = torch.zeros_like(diagonal_BD[0])
        indices_B = torch.arange(first, first + batch, device=grad_BTD.device)
        rows = WindowRows(
            index_K=indices_B,
            tokens_K=torch.full_like(indices_B, tokens),
            diagonal_KD=diagonal_BD,
            energy_K=torch.linalg.vector_norm(gram, dim=(1, 2), dtype=torch.float64).square(),
            inner_K=2 * inner_B,
            inner_diagonal_K=diagonal_BD @ reference_D,
            inner_trace_K=diagonal_BD.sum(1) * reference_D.sum(),
            reference_tokens_K=torch.full_like(indices_B, self.reference_tokens),
        )
        if tokens < width:
            flat_ND = grad_BTD.reshape(-1, width)
            for begin, end in _row_blocks(width):
                self.upper_DD[begin:end, begin:].addmm_(flat_ND[:, begin:end].T, flat_ND[:, begin:])
        else:
            self.upper_DD += gram.sum(0)
        self.kept.append(rows)

    def merge(self, other: SiteSums) -> None:
        """Add the sums of other windows at the same site."""
        self.upper_DD += other.upper_DD.to(self.upper_DD.device)
        self.kept += [rows.to(self.upper_DD.device) for rows in other.kept]


def _row_blocks(width: int) -> list[tuple[int, int]]:
    return [(begin, begin + ROWS_AT_A_TIME) for begin in range(0, width, ROWS_AT_A_TIME)]
