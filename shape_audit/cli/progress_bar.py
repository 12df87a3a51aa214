"""Progress of an audit on stderr: windows done, tokens per second, time left. Nothing where stderr is no terminal."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from shape_audit.cli.interruption import stop_if_interrupted


class ProgressBar:
    """An `auditing.Progress` that draws itself while it is open, and leaves nothing behind."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not Console(stderr=True).is_terminal,
        )
        self._task = self._bar.add_task("", total=None, detail="")
        self._started: float | None = None
        self._tokens_before = 0

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

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
