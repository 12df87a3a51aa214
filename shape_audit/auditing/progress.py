"""How a run tells whoever waits for it where it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what the audit is doing; a terminal draws a bar from it, a library call ignores it."""

    def step(self, text: str) -> None:
        """A new step begins, described in a few words."""

    def windows(self, done: int, total: int, tokens: int) -> None:
        """So many of the windows are measured, `tokens` of their tokens in all."""


class Silent:
    """No progress shown."""

    def step(self, text: str) -> None: ...

    def windows(self, done: int, total: int, tokens: int) -> None: ...
