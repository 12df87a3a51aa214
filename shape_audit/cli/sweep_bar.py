"""Progress of a sweep on stderr: the whole, by operations, and the model at hand; where it is no terminal, a line a
model."""

from __future__ import annotations

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from shape_audit.cli.bar import Bar
from shape_audit.cli.interruption import stop_if_interrupted
from shape_audit.cli.sink import note

SPEED_PERIOD = 300.0
"""Seconds over which the speed is averaged for the time left."""


class SweepBar(Bar):
    """A `sweep.SweepProgress` that draws itself while it is open, and leaves nothing behind."""

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
        self._name = ""

    def sweep(self, done: float, total: float) -> None:
        stop_if_interrupted()
        self._bar.update(self._whole, completed=done, total=total)

    def model(self, name: str, number: int, models: int) -> None:
        stop_if_interrupted()
        self._name = name
        self._bar.update(self._whole, detail=f"model {number} of {models}")
        if self._bar.disable:
            note(f"model {number} of {models}: {name}")

    def step(self, text: str) -> None:
        stop_if_interrupted()
        description = f"{self._name}: {text}" if self._name else text
        self._bar.remove_task(self._model)  # a total, once known, cannot be taken back
        self._model = self._bar.add_task(description, total=None, detail="")

    def training(self, step: int, steps: int, tokens_per_second: float, loss: float) -> None:
        stop_if_interrupted()
        detail = f"{step:,}/{steps:,}, {loss:.2f} nats, {tokens_per_second / 1000:.1f} kB/s"
        self._bar.update(self._model, completed=step, total=steps, detail=detail)

    def windows(self, done: int, total: int, tokens: int) -> None:
        stop_if_interrupted()
        self._bar.update(self._model, completed=done, total=total, detail=f"{done}/{total} windows")
