"""An exception, as a user meets it: one line on stderr and an exit code; the traceback with --debug."""

from __future__ import annotations

import traceback

from shape_audit.cli.interruption import was_interrupted
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode, explained
from shape_audit.escaping import on_a_line

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
        note(f"shape-audit: {on_a_line(line, LONGEST_LINE)}{hint}")
        return ExitCode.INCOMPLETE
    note(f"shape-audit: {on_a_line(str(known), LONGEST_LINE)}")
    return known.exit_code
