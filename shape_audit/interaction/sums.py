"""The sums over windows that every number of a site is made from.

Legend: B windows of a micro-batch, T tokens, D width. With g_t = dl/dh_t the gradient of window s's summed loss,
A_s = sum_t g_t g_t^T is that window's contribution; G = (sum_s A_s) / n with n tokens is the AGOP.

All of them are sums over windows: they do not depend on batch size or order, and merge by addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROWS_AT_A_TIME = 256
"""Rows of a block of the upper triangle: leaving out what lies below saves up to half of the product."""


@dataclass
class SiteSums:
    """Sums over windows at one site, on the device the gradients live on where it has float64.

    Attributes:
        upper_DD: sum_s A_s, in float32, or float64 for a float64 model. Symmetric, so only the upper triangle is kept
            up to date; `agop_DD` gives the whole.
        diagonal_D: sum_s diag(A_s), in float64.
        scalars: float64 [4]: sum ||A_s||_F^2, sum_i A_s,ii^2, sum tr A_s, sum (tr A_s)^2.
        windows, tokens, tokens_squared: number of windows, sum T, sum T^2.
    """

    upper_DD: Tensor
    diagonal_D: Tensor
    scalars: Tensor
    windows: int = 0
    tokens: int = 0
    tokens_squared: int = 0

    @classmethod
    def zeros(cls, width: int, *, dtype: torch.dtype, device: torch.device) -> SiteSums:
        """Empty sums for a site of `width` channels; `dtype` as of the model, sums are float32 or better."""
        sum_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        return cls(
            upper_DD=torch.zeros(width, width, dtype=sum_dtype, device=device),
            diagonal_D=torch.zeros(width, dtype=torch.float64, device=device),
            scalars=torch.zeros(4, dtype=torch.float64, device=device),
        )

    @property
    def width(self) -> int:
        return self.diagonal_D.shape[0]

    @property
    def agop_DD(self) -> Tensor:
        """sum_s A_s, whole."""
        return self.upper_DD.triu() + self.upper_DD.triu(1).T

    def add(self, grad_BTD: Tensor) -> None:
        """Add the windows of a micro-batch, each with its T gradients.

        ||A_s||_F^2 equals ||g_s g_s^T||_F^2, the T x T Gram matrix: the smaller of the two products is formed.
        """
        grad_BTD = grad_BTD.to(self.upper_DD)
        batch, tokens, width = grad_BTD.shape
        if tokens < width:
            flat_ND = grad_BTD.reshape(-1, width)
            for first in range(0, width, ROWS_AT_A_TIME):
                rows_ND = flat_ND[:, first : first + ROWS_AT_A_TIME]
                self.upper_DD[first : first + ROWS_AT_A_TIME, first:].addmm_(rows_ND.T, flat_ND[:, first:])
            gram = grad_BTD @ grad_BTD.mT
        else:
            gram = grad_BTD.mT @ grad_BTD
            self.upper_DD += gram.sum(0)
        diagonal_BD = grad_BTD.square().sum(1, dtype=torch.float64)
        trace_B = diagonal_BD.sum(1)
        self.diagonal_D += diagonal_BD.sum(0)
        energy = torch.linalg.vector_norm(gram.flatten(), dtype=torch.float64).square()
        self.scalars += torch.stack([energy, diagonal_BD.square().sum(), trace_B.sum(), trace_B.square().sum()])
        self.windows += batch
        self.tokens += batch * tokens
        self.tokens_squared += batch * tokens * tokens

    def merge(self, other: SiteSums) -> None:
        """Add the sums of other windows at the same site."""
        self.upper_DD += other.upper_DD.to(self.upper_DD.device)
        self.diagonal_D += other.diagonal_D.to(self.diagonal_D.device)
        self.scalars += other.scalars.to(self.scalars.device)
        self.windows += other.windows
        self.tokens += other.tokens
        self.tokens_squared += other.tokens_squared
