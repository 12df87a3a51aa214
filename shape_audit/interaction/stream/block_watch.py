"""Looking at what every block adds to the residual stream, and at what the gradient makes of it, in a pass made anyway.

Nothing is computed a second time: a reference to the stream before and after each block is held until the backward
pass has gone by, which autograd holds anyway, and one gradient until the next one comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.interaction.estimators.block_rows import (
    AMOUNTS,
    FIRST,
    GRADIENT,
    GRADIENT_CHANGE,
    REST,
    SAVING,
    SIZE,
    TURN,
    BlockRows,
)
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.width import WidthSums

_PRODUCTS = ("stream", "update", "along", "gradient along", "gradient change", "gradient")
"""Of every token: |h|^2, |u|^2, <h, u>, <g, u>, |change of g|^2, |g|^2."""


class BlockWatch:
    """The blocks during one forward and its backward, of one micro-batch."""

    def __init__(self, batch: MicroBatch, blocks: int, widths: Mapping[int, WidthSums]) -> None:
        """
        Args:
            widths: position in the stream -> sums that what is seen there is added to.
        """
        self._batch, self._widths, self._blocks = batch, widths, blocks
        self._stream: dict[int, Tensor] = {}
        self._gradient: tuple[int, Tensor] | None = None
        self._seen_BT: dict[str, dict[int, Tensor]] = {name: {} for name in _PRODUCTS}

    def rows(self) -> BlockRows:
        """What was seen; the pass is over. All blocks at once: dozens of small steps a block cost small models time."""
        first, (batch, tokens) = self._batch.first, self._batch.inputs_BT.shape
        unknown_BT = torch.full((batch, tokens), torch.nan, dtype=torch.float64)

        def of_blocks(name: str) -> Tensor:
            seen = self._seen_BT[name]
            return torch.stack([seen[k].cpu().double() if k in seen else unknown_BT for k in range(self._blocks)])

        stream_LBT, update_LBT, along_LBT, saving_LBT, change_LBT, grad_LBT = map(of_blocks, _PRODUCTS)
        amounts: dict[int, Tensor] = {
            TURN: _turn(stream_LBT, update_LBT, along_LBT),
            SIZE: _quotient(update_LBT, stream_LBT).sqrt(),
            SAVING: -saving_LBT,
            GRADIENT_CHANGE: change_LBT,
            GRADIENT: grad_LBT,
        }
        sums_BLPA = torch.empty(batch, self._blocks, 2, AMOUNTS, dtype=torch.float64)
        for amount, of_tokens_LBT in amounts.items():
            sums_BLPA[:, :, FIRST, amount] = of_tokens_LBT[:, :, 0].T
            sums_BLPA[:, :, REST, amount] = of_tokens_LBT[:, :, 1:].sum(2).T
        index_B = torch.arange(first, first + batch)
        return BlockRows(index_B, torch.full_like(index_B, tokens), sums_BLPA)

    def forward(self, position: int, hidden_BTD: Any) -> None:
        """The stream at a position: 0 enters the first block, k comes out of block k - 1."""
        if not isinstance(hidden_BTD, Tensor) or hidden_BTD.ndim != 3 or position in self._stream:
            return  # a checkpointed block is computed twice
        if position in self._widths and hidden_BTD.shape[2] != self._widths[position].width:
            return  # several streams in one: the pass refuses it when its gradient comes
        if hidden_BTD.requires_grad:
            hidden_BTD.register_hook(lambda grad_BTD: self._backward(position, grad_BTD.detach()))  # type: ignore[no-untyped-call]
        self._stream[position] = hidden_BTD.detach()
        if position in self._widths:
            self._widths[position].add_activations(hidden_BTD.detach(), self._batch.first, self._batch.member_B)
        if position - 1 not in self._stream:
            return
        before_BTD, update_BTD = self._update(position)
        self._keep(position, "stream", before_BTD, before_BTD)
        self._keep(position, "update", update_BTD, update_BTD)
        self._keep(position, "along", before_BTD, update_BTD)

    def _backward(self, position: int, grad_BTD: Tensor) -> None:
        """The gradient at a position; they come from the last to the first."""
        exact_BTD = grad_BTD.to(_exact(grad_BTD))
        if position in self._widths:
            self._widths[position].add_gradients(grad_BTD, self._batch.first, self._batch.member_B)
        if self._gradient is not None and self._gradient[0] == position + 1:
            change_BTD = exact_BTD - self._gradient[1].to(exact_BTD.device)
            self._keep(position + 1, "gradient change", change_BTD, change_BTD)
        self._gradient = (position, exact_BTD) if position else None
        if position - 1 in self._stream:
            update_BTD = self._update(position)[1]
            self._keep(position, "gradient along", exact_BTD.to(update_BTD.device), update_BTD)
            self._keep(position, "gradient", exact_BTD, exact_BTD)
        self._stream.pop(position, None)

    def _update(self, position: int) -> tuple[Tensor, Tensor]:
        """(h_(k-1), u_k), the difference in float32 or better: in bfloat16 it would round to a few digits."""
        after_BTD, before_BTD = self._stream[position], self._stream[position - 1].to(self._stream[position].device)
        exact = _exact(after_BTD)
        before_BTD = before_BTD.to(exact)
        return before_BTD, after_BTD.to(exact) - before_BTD

    def _keep(self, position: int, name: str, left_BTD: Tensor, right_BTD: Tensor) -> None:
        """The product at every token, of the block that ends at a position."""
        self._seen_BT[name][position - 1] = torch.linalg.vecdot(left_BTD, right_BTD)


@contextmanager
def watched_blocks(
    blocks: Sequence[nn.Module], batch: MicroBatch, widths: Mapping[int, WidthSums]
) -> Iterator[BlockWatch]:
    """While open, one forward of the model and its backward are looked at; without blocks, nothing is."""
    watch = BlockWatch(batch, len(blocks), widths)

    def before(position: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            watch.forward(position, args[0] if args else kwargs.get("hidden_states"))

        return hook

    def after_last(module: nn.Module, args: Any, output: Any) -> None:
        watch.forward(len(blocks), output[0] if isinstance(output, tuple | list) and output else output)

    handles = [block.register_forward_pre_hook(before(i), with_kwargs=True) for i, block in enumerate(blocks)]
    handles += [block.register_forward_hook(after_last) for block in blocks[-1:]]
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


def _exact(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _turn(squared_BT: Tensor, squared_update_BT: Tensor, along_BT: Tensor) -> Tensor:
    """1 - cos(h, h + u) from |h|^2, |u|^2 and <h, u>.

    By Lagrange's identity, |h|^2 |u|^2 - <h, u>^2, a difference of small things and not of 1 and nearly 1.
    """
    inner_BT = squared_BT + along_BT  # <h, h + u>
    lengths_BT = (squared_BT * (inner_BT + along_BT + squared_update_BT).clamp(min=0)).sqrt()  # |h| |h + u|
    across_BT = (squared_BT * squared_update_BT - along_BT.square()).clamp(min=0)
    near_BT = _quotient(across_BT, lengths_BT * (lengths_BT + inner_BT))
    return torch.where(inner_BT > 0, near_BT, 1 - _quotient(inner_BT, lengths_BT))


def _quotient(above_BT: Tensor, below_BT: Tensor) -> Tensor:
    """0 where the stream itself is 0: it has no direction to turn from."""
    return torch.where(below_BT == 0, 0.0, above_BT / below_BT)
