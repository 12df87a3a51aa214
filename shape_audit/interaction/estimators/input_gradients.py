"""What a pass keeps where G is over the one-hot inputs of all positions: a (T V) x (T V) matrix that is never formed.

A window's contribution is A_s = y_s y_s^T, y_s (T V) what its gradient g_s (T, D) at the embedding's output becomes on
the way to the one-hot inputs: y_st = E g_st at position t, E (V, D) the embedding. All that energies are made of are
two products of every pair of windows,

    y_s . y_r                 of which <A_s, A_r> is the square
    sum_i y_si^2 y_ri^2       the product of diag(A_s) and diag(A_r)

the second of which has no shorter form than a sum over T V entries. So gradients are kept, T D numbers a window, and
the products are worked out when numbers are asked for, position by position and some tokens of the vocabulary at a
time: K^2 numbers come of it, and nothing of the size of T V is ever in memory. It costs as much as an unembedding of
every window, in float64: y cancels where the rows of E are alike, and is all that there is to go by.

What was tried on paper: running sums of y^2 (T V numbers, and as many for S_ref), which save the second computation in
a run with a tolerance, cannot tell copies of a window apart, and would have to be saved and sent at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from shape_audit.interaction.estimators.input_grams import InputGrams
from shape_audit.parallel import SingleProcess

ENTRIES_AT_ONCE = 2**22
"""Of y of all windows, and of the embedding: what is in memory beside the gradients."""
POSITIONS_AT_ONCE = 16
"""Sent between processes, and multiplied with a piece of the embedding before the next one."""


@dataclass
class KeptGradients:
    """The gradients of the windows added so far: all there is to be saved.

    Attributes:
        kept: numbers and gradients (B, T, D) of windows, in the order of arrival.
    """

    kept: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def index_K(self) -> Tensor:
        return self.windows()[0]

    def tensors(self) -> dict[str, Tensor]:
        """All that is held, to be saved."""
        index_K, grad_KTD = self.windows()
        return {"index": index_K, "gradients": grad_KTD}

    def windows(self) -> tuple[Tensor, Tensor]:
        """Numbers and gradients of all windows, in the audit's order."""
        if not self.kept:
            return torch.zeros(0, dtype=torch.long), torch.zeros(0, 0, 0)
        index_K, grad_KTD = (torch.cat(column) for column in zip(*self.kept, strict=True))
        if bool((index_K.diff() >= 0).all()):  # as they are in a run; to put them in order takes as much memory again
            return index_K, grad_KTD
        order_K = index_K.argsort(stable=True)
        return index_K[order_K], grad_KTD[order_K.to(grad_KTD.device)]


@dataclass(kw_only=True)
class InputGradients(KeptGradients):
    """The same with what turns them into gradients at one-hot inputs: `HeldSums`.

    Attributes:
        embedding: of the tokens: ids -> (..., D).
        device: where gradients are kept and products are made.
    """

    embedding: nn.Module
    device: torch.device

    @property
    def width(self) -> int:
        """V: a position's one-hot input has so many channels."""
        weight = self.embedding.weight
        assert isinstance(weight, Tensor)
        return len(weight)

    @property
    def latest(self) -> Tensor:
        return self.kept[-1][1].double().square().sum()

    def add(self, grad_BTD: Tensor, first: int) -> None:
        """Add the windows `first`, `first` + 1 ... of a micro-batch, all of them or none."""
        dtype = torch.float64 if grad_BTD.dtype == torch.float64 else torch.float32
        self.kept.append((torch.arange(first, first + len(grad_BTD)), grad_BTD.to(self.device, dtype, copy=True)))

    def freeze(self, summed: Callable[[Tensor], Tensor]) -> None:
        """Nothing to do: every window is there to be compared with."""

    def restore(self, saved: KeptGradients) -> None:
        """Take what was saved of such sums; these are still empty."""
        self.kept += [(index_K, grad_KTD.to(self.device)) for index_K, grad_KTD in saved.kept]

    def factor(self, grad_TD: Tensor) -> Tensor:
        """y of one window, a single row (1, T V)."""
        pieces = [grad_TD.to(self.device).double() @ table_VD.T for table_VD in self._table(ENTRIES_AT_ONCE)]
        return torch.cat(pieces, dim=1).reshape(1, -1).cpu()

    def over(self, processes: SingleProcess) -> InputGrams:
        """The products of all windows of all processes, each of which does some of the positions.

        Raises:
            ValueError: a window was added twice, or there is none.
        """
        own_K, grad_KTD = self.windows()
        every, shapes = processes.gathered(own_K), processes.gathered(tuple(grad_KTD.shape))
        index_K, order_K = torch.cat(every).sort()
        if bool((index_K.diff() == 0).any()):
            raise ValueError("a window was added twice")
        if len(index_K) == 0:
            raise ValueError("no windows: there is no AGOP")
        tokens, channels = next(shape[1:] for shape in shapes if shape[0])
        count = len(index_K)
        products_2KK = torch.zeros(2, count, count, dtype=torch.float64, device=self.device)
        for turn, begin in enumerate(range(0, tokens, POSITIONS_AT_ONCE)):
            own = grad_KTD.view(len(own_K), tokens, channels)[:, begin : begin + POSITIONS_AT_ONCE].cpu()
            parts = processes.gathered(own)
            if turn % processes.size == processes.rank:
                self._add_products(products_2KK, torch.cat(parts)[order_K])
        gram_KK, diagonal_KK = processes.summed(products_2KK).cpu()
        return InputGrams(index_K, tokens * self.width, gram_KK, diagonal_KK)

    def _add_products(self, products_2KK: Tensor, grad_KTD: Tensor) -> None:
        """Those of some positions."""
        grad_TKD = grad_KTD.to(self.device).double().transpose(0, 1).contiguous()
        for table_VD in self._table(ENTRIES_AT_ONCE // len(grad_KTD)):
            for grad_KD in grad_TKD:
                y_KV = grad_KD @ table_VD.T
                products_2KK[0].addmm_(y_KV, y_KV.T)
                y_KV.square_()
                products_2KK[1].addmm_(y_KV, y_KV.T)

    @torch.no_grad()
    def _table(self, tokens: int) -> Iterator[Tensor]:
        """The embedding (V, D), some rows at a time: what the module makes of the ids, with any scale it has."""
        weight = self.embedding.weight
        assert isinstance(weight, Tensor)
        rows = max(1, min(tokens, ENTRIES_AT_ONCE // weight.shape[1]))
        device = torch.device("cpu") if weight.device.type == "meta" else weight.device  # streamed ones take any
        for begin in range(0, self.width, rows):
            ids_V = torch.arange(begin, min(begin + rows, self.width), device=device)
            yield self.embedding(ids_V).to(self.device).double()
