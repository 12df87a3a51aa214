"""Where the time of an audit goes: one clock, from the start to the sealed record, without gaps."""

from __future__ import annotations

import time
from typing import Literal, get_args

from shape_audit.auditing.progress import Progress, Silent
from shape_audit.records import WallSeconds

Phase = Literal["start", "read", "scores", "imports", "text", "load", "warm_up", "pass", "reduce", "use", "weights"]
"""See `records.WallSeconds`."""


class Phases:
    """A `Progress` that keeps the time. A phase ends where the next begins, so their sum is all the time there was."""

    def __init__(self, progress: Progress | None = None, *, before: float = 0.0) -> None:
        """Start the clock.

        Args:
            progress: told of the steps.
            before: seconds that have gone by already: those of the process that was started for this audit.
        """
        self._progress = progress or Silent()
        self._seconds: dict[str, float] = dict.fromkeys(get_args(Phase), 0.0) | {"start": before}
        self._phase: Phase = "start"
        self._since = time.perf_counter()

    def begin(self, phase: Phase, step: str | None = None) -> None:
        """A phase begins, perhaps not for the first time.

        Args:
            step: what whoever waits is told.
        """
        now = time.perf_counter()
        self._seconds[self._phase] += now - self._since
        self._phase, self._since = phase, now
        if step is not None:
            self.step(step)

    def wall_seconds(self) -> WallSeconds:
        """Seconds by phase, up to now."""
        self.begin(self._phase)
        return WallSeconds.model_validate(self._seconds)

    def hush(self) -> None:
        """Tell nobody from now on."""
        self._progress = Silent()

    def step(self, text: str) -> None:
        self._progress.step(text)

    def windows(self, done: int, total: int, tokens: int) -> None:
        self._progress.windows(done, total, tokens)
