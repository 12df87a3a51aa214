"""What the progress bars of all commands share: they stand on stderr, and leave nothing behind."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn


class Bar:
    """A rich progress display that is there while it is open; nothing is drawn where stderr is no terminal."""

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
