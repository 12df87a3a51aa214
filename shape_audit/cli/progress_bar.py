"""Progress of an audit on stderr: windows done, tokens per second, time left. Nothing where stderr is no terminal."""

from __future__ import annotations

import time

from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn

from shape_audit.cli.bar import Bar
from shape_audit.cli.interruption import stop_if_interrupted


class ProgressBar(Bar):
    """An `auditing.Progress` that draws itself while it is open, and leaves nothing behind."""

    def __init__(self) -> None:
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeRemainingColumn(),
        )
        self._task = self._bar.add_task("", total=None, detail="")
        self._started: float | None = None
        self._tokens_before = 0

    def step(self, text: str) -> None:
        stop_if_interrupted()
        self._started = None
        self._bar.update(self._task, description=text, total=None, detail="")

    def part(self, text: str, done: int, total: int) -> None:
        """A step of a known number of them begins."""
        stop_if_interrupted()
        self._bar.update(self._task, description=text, completed=done, total=total, detail=f"{done + 1}/{total}")

    def windows(self, done: int, total: int, tokens: int) -> None:
        stop_if_interrupted()
        if self._started is None:  # perhaps not at the first window: a run may go on where another was killed
            self._started, self._tokens_before = time.perf_counter(), tokens
        seconds, measured = time.perf_counter() - self._started, tokens - self._tokens_before
        rate = f", {measured / seconds:,.0f} tokens/s" if measured and seconds else ""
        self._bar.update(self._task, completed=done, total=total, detail=f"{done}/{total} windows{rate}")
