"""Progress on stderr, drawn while it is open and gone afterwards; nothing where stderr is no terminal.

One bar for each thing that a user waits for: an audit, a leaderboard's build, a sweep, work on a cluster.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from shape_audit.cli.interruption import stop_if_interrupted
from shape_audit.cli.sink import note
from shape_audit.cluster import Standing
from shape_audit.escaping import on_a_line

SPEED_PERIOD = 300.0
"""Seconds over which a sweep's speed is averaged for the time left."""
LINE_SECONDS = 60.0
"""After which a log is told where work on a cluster is."""


class _Bar:
    """A rich progress display. Every change asks first whether a Ctrl-C was lost."""

    def __init__(self, *columns: ProgressColumn, **settings: Any) -> None:
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal, **settings)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def _update(self, task: TaskID, **changes: Any) -> None:
        stop_if_interrupted()
        if "description" in changes:  # names in it come from anywhere
            changes["description"] = on_a_line(changes["description"])
        self._bar.update(task, **changes)


class AuditBar(_Bar):
    """An `auditing.Progress`: windows done, tokens per second, time left."""

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
        self._started = None
        self._update(self._task, description=text, total=None, detail="")

    def part(self, text: str, done: int, total: int) -> None:
        """A step of a known number of them begins."""
        self._update(self._task, description=text, completed=done, total=total, detail=f"{done + 1}/{total}")

    def windows(self, done: int, total: int, tokens: int) -> None:
        if self._started is None:  # perhaps not at the first window: a run may go on where another was killed
            self._started, self._tokens_before = time.perf_counter(), tokens
        seconds, measured = time.perf_counter() - self._started, tokens - self._tokens_before
        rate = f", {measured / seconds:,.0f} tokens/s" if measured and seconds else ""
        self._update(self._task, completed=done, total=total, detail=f"{done}/{total} windows{rate}")


class ClusterBar(_Bar):
    """A `cluster.ClusterProgress`; where stderr is no terminal, a line a minute."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        )
        self._models = self._bar.add_task("models", total=None)
        self._log = _ClusterLog()

    def standing(self, now: Standing) -> None:
        self._update(self._models, completed=now.done, total=now.total, description=f"models: {_at_work(now)}")
        if self._bar.disable:
            self._log.tell(now)


class BuildBar(ClusterBar):
    """A `leaderboard.BuildProgress`: the models, with the time left, and the audit of the one at work."""

    def __init__(self) -> None:
        super().__init__()
        self._audit, self._name = self._bar.add_task("", total=None), ""

    def model(self, name: str, done: int, total: int) -> None:
        self._update(self._models, completed=done, total=total)
        self._name = name
        self._bar.reset(self._audit, description=on_a_line(name), total=None)

    def step(self, text: str) -> None:
        self._update(self._audit, description=f"{self._name}: {text}")

    def windows(self, done: int, total: int, tokens: int) -> None:
        self._update(self._audit, completed=done, total=total)


class _ClusterLog:
    """Says where work on a cluster is, now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def tell(self, now: Standing) -> None:
        if time.monotonic() - self._said < LINE_SECONDS:
            return
        self._said = time.monotonic()
        left = "" if now.seconds_left is None else f", about {now.seconds_left / 60:,.0f} minutes left"
        note(f"{now.done:,} of {now.total:,} models done, {_at_work(now)}{left}")


def _at_work(now: Standing) -> str:
    retried = f", {now.retried:,} begun again" if now.retried else ""
    return f"{now.running:,} running, {now.waiting:,} waiting{retried}, {now.gpu_hours:,.1f} GPU-hours"


class SweepBar(_Bar):
    """A `sweep.SweepProgress`: the whole, by operations, and the model at hand; where stderr is no terminal, a line a
    model."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeRemainingColumn(),
            speed_estimate_period=SPEED_PERIOD,
        )
        self._whole = self._bar.add_task("sweep", total=None, detail="")
        self._model = self._bar.add_task("", total=None, detail="")
        self._name, self._log = "", _ClusterLog()

    def sweep(self, done: float, total: float) -> None:
        self._update(self._whole, completed=done, total=total)

    def model(self, name: str, number: int, models: int) -> None:
        self._name = name
        self._update(self._whole, detail=f"model {number} of {models}")
        if self._bar.disable:
            note(f"model {number} of {models}: {name}")

    def step(self, text: str) -> None:
        stop_if_interrupted()
        description = f"{self._name}: {text}" if self._name else text
        self._bar.remove_task(self._model)  # a total, once known, cannot be taken back
        self._model = self._bar.add_task(on_a_line(description), total=None, detail="")

    def standing(self, now: Standing) -> None:
        self._update(self._whole, completed=now.done, total=now.total, detail=_at_work(now))
        if self._bar.disable:
            self._log.tell(now)

    def training(self, step: int, steps: int, tokens_per_second: float, loss: float) -> None:
        detail = f"{step:,}/{steps:,}, {loss:.2f} nats, {tokens_per_second / 1000:.1f} kB/s"
        self._update(self._model, completed=step, total=steps, detail=detail)

    def windows(self, done: int, total: int, tokens: int) -> None:
        self._update(self._model, completed=done, total=total, detail=f"{done}/{total} windows")
