"""What leaving blocks out costs, measured: paired differences of the loss on the same windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shape_audit.calibration import Window
from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.interaction.estimators.error_bars import Interval, mean_interval
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.interaction.stream.left_out import LeftOut, Span, reusable_beginnings
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.models import LoadedModel
from shape_audit.parallel import SingleProcess

SPANS_MEASURED = 5
"""Of the spans of one length, so many are measured: those whose blocks cost least by themselves, added up."""


_Fault = NonFiniteError | NotAuditableError


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
        loaded: LoadedModel,
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
        self._loaded, self._blocks, self._micro_batch = loaded, list(blocks), micro_batch
        self._processes = processes or SingleProcess()
        self._windows = list(windows)
        self._beginnings: frozenset[int] | None = None
        self._fault: _Fault | None = None
        self.nats_per_token = float("nan")

    def singles(self, progress: Callable[[int], None] = lambda windows_done: None) -> list[SkippedLoss | None]:
        """Every block by itself, see `without`.

        Raises:
            NonFiniteError, NotAuditableError: not one of them can be left out.
        """
        found = self.without([Span(block) for block in range(len(self._blocks))], progress)
        if self._fault is not None and not any(found):
            raise self._fault
        return found

    def cheapest_span(self, count: int, singles: Sequence[SkippedLoss | None]) -> SkippedLoss | None:
        """The contiguous blocks that go cheapest, of the few that promise it; None where none of these go."""
        starts = range(len(self._blocks) - count + 1)
        promising = sorted(starts, key=lambda first: sum(map(_known, singles[first : first + count])))
        return min(self.without([Span(first, count) for first in promising[:SPANS_MEASURED]]), key=_known)

    def without(
        self, spans: Sequence[Span], progress: Callable[[int], None] = lambda windows_done: None
    ) -> list[SkippedLoss | None]:
        """The rise of the loss without each of these spans; None where the others do not run to a finite loss."""
        rank, size = self._processes.rank, self._processes.size
        begin, end = len(self._windows) * rank // size, len(self._windows) * (rank + 1) // size
        rises: list[Tensor] = []
        faults: dict[Span, _Fault] = {}
        whole: list[Tensor] = []
        for first in range(begin, end, self._micro_batch):
            some = self._windows[first : min(first + self._micro_batch, end)]
            batch = MicroBatch(torch.tensor([window.input_ids for window in some], device=self._loaded.device), first)
            if self._beginnings is None:
                self._beginnings = reusable_beginnings(self._loaded.model, self._blocks, batch)
            left_out = LeftOut(self._loaded.model, self._blocks, batch, self._beginnings)
            rises.append(torch.stack([_rise(left_out, span, faults) for span in spans], 1))
            whole.append(left_out.losses_B)
            progress(first + len(some) - begin)
        rises_KS = torch.cat([part for parts in self._processes.gathered(rises) for part in parts])
        tokens_K = torch.tensor([len(window.input_ids) - 1 for window in self._windows])
        self._fault = next((fault for part in self._processes.gathered(faults) for fault in part.values()), None)
        losses_K = torch.cat([part for parts in self._processes.gathered(whole) for part in parts])
        self.nats_per_token = float(losses_K.sum() / tokens_K.sum())
        once = RepeatedWindows.of([window.input_ids for window in self._windows]).once
        return [
            None
            if rise_K.isnan().any()
            else SkippedLoss(span, float(rise_K.sum() / tokens_K.sum()), mean_interval(once(rise_K), once(tokens_K)))
            for span, rise_K in zip(spans, rises_KS.unbind(1), strict=True)
        ]


def _rise(left_out: LeftOut, span: Span, faults: dict[Span, _Fault]) -> Tensor:
    """What each window's loss rises by, NaN where the model does not run; once that is known, it is not tried again."""
    if span not in faults:
        try:
            return left_out.losses_without(span) - left_out.losses_B
        except (NonFiniteError, NotAuditableError) as error:
            faults[span] = type(error)(*error.args)  # the one raised holds on to all that its frames do
    return torch.full_like(left_out.losses_B, torch.nan)


def _known(one: SkippedLoss | None) -> float:
    """The rise, above all others where there is none."""
    return math.inf if one is None else one.rise
