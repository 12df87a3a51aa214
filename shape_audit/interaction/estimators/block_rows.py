"""What is kept of each window about each block: sums over its tokens, from which all numbers about depth are made.

Legend: K windows, L blocks, T tokens of a window. With h_k the residual stream after block k (h_0 enters the first),
u_k = h_k - h_(k-1) what the block adds, and g_k the gradient of the window's scalar with respect to h_k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TURN, SIZE, SAVING, GRADIENT_CHANGE, GRADIENT = range(5)
"""Sums over tokens: 1 - cos(h_(k-1), h_k); |u_k| / |h_(k-1)|; -<g_k, u_k>; |g_(k-1) - g_k|^2; |g_k|^2."""
AMOUNTS = 5
FIRST, REST = range(2)
"""Position 0, where many models park activations a hundred times as large as anywhere else; and all other positions."""


@dataclass(frozen=True)
class BlockRows:
    """Of K windows, float64.

    Attributes:
        index_K: their numbers in the audit's order.
        tokens_K: T of each.
        sums_KLPA: windows, blocks, `FIRST` and `REST`, amounts; NaN where no gradient was read.
    """

    index_K: Tensor
    tokens_K: Tensor
    sums_KLPA: Tensor

    @classmethod
    def joined(cls, parts: Sequence[BlockRows]) -> BlockRows:
        """Several, in the audit's order, on the CPU."""
        columns = [torch.cat([part.tensors()[i].cpu() for part in parts]) for i in range(3)]
        order = columns[0].argsort(stable=True)
        return cls(*(column[order] for column in columns))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.index_K, self.tokens_K, self.sums_KLPA

    def __len__(self) -> int:
        return len(self.index_K)
