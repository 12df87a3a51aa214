"""What leaving blocks out costs, measured: paired differences of the loss on the same windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shape_audit.calibration import Window
from shape_audit.interaction.estimators.error_bars import Interval, mean_interval
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.interaction.stream.left_out import LeftOut, Span
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.parallel import SingleProcess

SPANS_MEASURED = 5
"""Of the spans of one length, so many are measured: those whose blocks cost least by themselves, added up."""


@dataclass(frozen=True)
class SkippedLoss:
    """Rise of the loss without some blocks, in nats per token."""

    span: Span
    rise: float
    interval: Interval | None


class BlockSkipping:
    """Windows, run through a model without spans of its blocks."""

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module],
        windows: Sequence[Window],
        *,
        micro_batch: int,
        processes: SingleProcess | None = None,
    ) -> None:
        """
        Args:
            windows: the same on every process; each runs its share.

        Attributes:
            nats_per_token: loss of the whole model, known once blocks have been left out.
        """
        self._model, self._blocks, self._micro_batch = model, list(blocks), micro_batch
        self._processes = processes or SingleProcess()
        self._windows = list(windows)
        self.nats_per_token = float("nan")

    def singles(self, progress: Callable[[int], None] = lambda windows_done: None) -> list[SkippedLoss]:
        """Every block by itself."""
        return self.without([Span(block) for block in range(len(self._blocks))], progress)

    def cheapest_span(self, count: int, singles: Sequence[SkippedLoss]) -> SkippedLoss:
        """The contiguous blocks that go cheapest, of the few that promise it."""
        starts = range(len(self._blocks) - count + 1)
        promising = sorted(starts, key=lambda first: sum(one.rise for one in singles[first : first + count]))
        return min(self.without([Span(first, count) for first in promising[:SPANS_MEASURED]]), key=lambda one: one.rise)

    def without(
        self, spans: Sequence[Span], progress: Callable[[int], None] = lambda windows_done: None
    ) -> list[SkippedLoss]:
        """The rise of the loss without each of these spans."""
        rank, size = self._processes.rank, self._processes.size
        begin, end = len(self._windows) * rank // size, len(self._windows) * (rank + 1) // size
        device = next(self._model.parameters()).device
        rises: list[Tensor] = []
        whole: list[Tensor] = []
        for first in range(begin, end, self._micro_batch):
            some = self._windows[first : min(first + self._micro_batch, end)]
            ids_BL = torch.tensor([window.input_ids for window in some], device=device)
            left_out = LeftOut(self._model, self._blocks, MicroBatch(ids_BL, first))
            rises.append(torch.stack([left_out.losses_without(span) - left_out.losses_B for span in spans], 1))
            whole.append(left_out.losses_B)
            progress(first + len(some) - begin)
        rises_KS = torch.cat([part for parts in self._processes.gathered(rises) for part in parts])
        tokens_K = torch.tensor([len(window.input_ids) - 1 for window in self._windows])
        losses_K = torch.cat([part for parts in self._processes.gathered(whole) for part in parts])
        self.nats_per_token = float(losses_K.sum() / tokens_K.sum())
        once = RepeatedWindows.of([window.input_ids for window in self._windows]).once
        return [
            SkippedLoss(span, float(rise_K.sum() / tokens_K.sum()), mean_interval(once(rise_K), once(tokens_K)))
            for span, rise_K in zip(spans, rises_KS.unbind(1), strict=True)
        ]
