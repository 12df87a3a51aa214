"""An exception, as a user meets it: one line on stderr and an exit code; the traceback with --debug."""

from __future__ import annotations

import traceback

from shape_audit.cli.interruption import was_interrupted
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode, explained

LONGEST_LINE = 600
"""Characters. What a library puts into a message may have no end."""


def failed(error: Exception, *, subject: str, debug: bool) -> ExitCode:
    """Say in one line what went wrong, and return the exit code it leads to.

    Args:
        subject: what the user asked about.
        debug: show the traceback too.
    """
    if was_interrupted():
        raise KeyboardInterrupt from error
    if debug:
        traceback.print_exception(error)
    known = explained(error, subject)
    if known is None:
        line = f"{subject}: unexpected {type(error).__name__}: {error}"
        hint = "" if debug else " (a bug in shape-audit: please report it with the output of --debug)"
        note(f"shape-audit: {_one_line(line)}{hint}")
        return ExitCode.INCOMPLETE
    note(f"shape-audit: {_one_line(str(known))}")
    return known.exit_code


def _one_line(text: str) -> str:
    """No line ends, no control characters, an end: names and messages may come from anywhere."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 4] + " ..."
