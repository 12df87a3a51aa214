"""The one place where results leave the program: to stdout, or to the file the user named."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shape_audit.errors import IncompleteError
from shape_audit.escaping import log_text, terminal_text, visible
from shape_audit.records import write_text_atomically

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

FILE_WIDTH = 120
MIN_PIPE_WIDTH = 100
"""Columns of a report that is not read in a terminal."""


def emit(content: RenderableType | str, output: Path | None) -> None:
    """Print a result to stdout, or write it to a file atomically.

    Args:
        content: finished text, or something rich can draw.
        output: file to write; None for stdout.

    Raises:
        IncompleteError: the file cannot be written.
    """
    if output is None:
        _print(content if isinstance(content, str) else _for_stdout(content))
        return
    if not output.parent.is_dir():
        raise IncompleteError(f"{output}: the report could not be written (no such folder); see --output")
    try:
        write_text_atomically(output, content if isinstance(content, str) else _drawn(content))
    except OSError as error:
        reason = error.strerror or error
        raise IncompleteError(f"{output}: the report could not be written ({reason}); see --output") from error


def _print(text: str) -> None:
    """To stdout; that whoever reads it has seen enough and left is no error."""
    if sys.stdout is None:  # closed by whoever started the program
        raise IncompleteError("the report could not be written (stdout is closed); see --output")
    try:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Harmless:
    """Something rich can draw, without what a terminal would obey of the text in it, whoever has put it there."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self._content, options):
            lines = segment.text.split("\n")
            yield segment if segment.control else Segment("\n".join(map(visible, lines)), segment.style)


def _for_stdout(content: RenderableType) -> str:
    """Drawn for the terminal, or plain and wide enough for its tables where stdout is none."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, MIN_PIPE_WIDTH)
    with console.capture() as capture:
        console.print(_Harmless(content))
    return log_text(_without_padding(capture.get()))


def _drawn(content: RenderableType) -> str:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=FILE_WIDTH, highlight=False).print(_Harmless(content))
    return log_text(_without_padding(stream.getvalue()))


def _without_padding(text: str) -> str:
    """Lines without the spaces that fill a table's last column."""
    return "\n".join(line.rstrip(" ") for line in text.split("\n"))


def is_watched() -> bool:
    """Whether stderr is a terminal, on which progress can be drawn."""
    return sys.stderr is not None and sys.stderr.isatty()


def note(text: str) -> None:
    """Say something on stderr that is no result, names and all; that nobody listens is no error."""
    if sys.stderr is None:  # closed; print would take stdout instead
        return
    try:
        print(terminal_text(text), file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
