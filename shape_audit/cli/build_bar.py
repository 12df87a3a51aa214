"""Progress of a leaderboard build on stderr: the models, with the time left, and the audit of the one at work."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from shape_audit.cli.bar import Bar
from shape_audit.cli.interruption import stop_if_interrupted


class BuildBar(Bar):
    """A `leaderboard.BuildProgress` that draws itself while it is open, and leaves nothing behind."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._models = self._bar.add_task("models", total=None)
        self._audit = self._bar.add_task("", total=None)
        self._name = ""

    def model(self, name: str, done: int, total: int) -> None:
        stop_if_interrupted()
        self._bar.update(self._models, completed=done, total=total)
        self._name = name
        self._bar.reset(self._audit, description=name, total=None)

    def step(self, text: str) -> None:
        stop_if_interrupted()
        self._bar.update(self._audit, description=f"{self._name}: {text}")

    def windows(self, done: int, total: int, tokens: int) -> None:
        stop_if_interrupted()
        self._bar.update(self._audit, completed=done, total=total)
