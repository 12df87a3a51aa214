"""Running a model without some of its blocks: what enters the first of them goes on as what comes out of the last.

The blocks before have given the same in every such run, so their outputs are kept from one whole forward, and only
the blocks behind are computed: half of a forward on average, whatever the architecture's own forward does around them.
Where later blocks look into earlier ones (shared keys), runs that begin between the two compute all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.residual_stream import with_first
from shape_audit.models import model_logits, window_losses


class Span(NamedTuple):
    """Blocks that are left out together."""

    first: int
    length: int = 1


class LeftOut:
    """One micro-batch of a model: its losses as it is, and without spans of its blocks."""

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module],
        batch: MicroBatch,
        beginnings: Collection[int] | None = None,
    ) -> None:
        """Run the whole model once.

        Args:
            beginnings: see `reusable_beginnings`; None finds them.

        Attributes:
            losses_B: of its windows as it is, in nats, summed over their tokens.

        Raises:
            NonFiniteError, NotAuditableError: see `window_losses`, `model_logits`.
        """
        self._model, self._blocks, self._batch = model, list(blocks), batch
        self._outputs: list[Any] = []
        handles = [block.register_forward_hook(lambda m, a, output: self._outputs.append(output)) for block in blocks]
        try:
            self.losses_B = self._losses()
        finally:
            for handle in handles:
                handle.remove()
        self._beginnings = reusable_beginnings(model, blocks, batch) if beginnings is None else beginnings

    def losses_without(self, span: Span) -> Tensor:
        """Losses (B,) in nats without some of the blocks.

        Raises:
            NonFiniteError, NotAuditableError: so they are not finite, or the other blocks do not run.
        """
        return self._losses_from(span.first if span.first in self._beginnings else 0, span)

    def stays_the_same(self, begin: int) -> bool:
        """Whether the blocks before one need not be computed again."""
        try:
            return bool((self._losses_from(begin, Span(begin, 0)) == self.losses_B).all())
        except NotAuditableError:
            return False

    def _losses_from(self, begin: int, without: Span) -> Tensor:
        replaced: dict[int, Callable[..., Any]] = {i: _gives(self._outputs[i]) for i in range(begin)}
        replaced |= {i: _hands_on(self._outputs[i]) for i in range(without.first, without.first + without.length)}
        with _forwards({self._blocks[i]: forward for i, forward in replaced.items()}):
            return self._losses()

    @torch.no_grad()
    def _losses(self) -> Tensor:
        losses_B = window_losses(model_logits(self._model, self._batch.inputs_BT), self._batch.targets_BT)
        return losses_B.cpu().double()


def reusable_beginnings(model: nn.Module, blocks: Sequence[nn.Module], batch: MicroBatch) -> frozenset[int]:
    """The blocks but the first from which on none looks into those before, tried on the first window.

    Raises: as `LeftOut` does.
    """
    whole = LeftOut(model, blocks, batch.part(0, 1), ())
    return frozenset(begin for begin in range(1, len(blocks)) if whole.stays_the_same(begin))


def _gives(output: Any) -> Callable[..., Any]:
    """A forward that computes nothing."""
    return lambda *args, **kwargs: output


def _hands_on(output: Any) -> Callable[..., Any]:
    """A forward that gives what it gets, in the form of a block's output."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden_BTD = args[0] if args else kwargs["hidden_states"]
        return with_first(output, hidden_BTD) if isinstance(output, tuple | list) else hidden_BTD

    return forward


@contextmanager
def _forwards(replaced: dict[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """While open, these modules have another forward; one that Accelerate has put there comes back."""
    before = {module: vars(module).get("forward") for module in replaced}
    for module, forward in replaced.items():
        vars(module)["forward"] = forward
    try:
        yield
    finally:
        for module, own in before.items():
            del vars(module)["forward"]
            if own is not None:
                vars(module)["forward"] = own
