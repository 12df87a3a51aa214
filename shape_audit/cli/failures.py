"""An exception, as a user meets it: one line on stderr and an exit code; the traceback with --debug."""

from __future__ import annotations

import traceback

from typer.exceptions import TyperException

from shape_audit.cli.interruption import was_interrupted
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode, NotFoundError, ShapeAuditError, did_you_mean, explained
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
    note(f"shape-audit: {on_a_line(str(known), LONGEST_LINE)}{_other_name(known, subject)}")
    return known.exit_code


KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
"""What a value should have been, by how pydantic, through which typer reads words, names what it could not make."""


def refusal(error: TyperException) -> str:
    """What typer says of a command line that it refuses, in one line and without the words of the library below it."""
    line = " ".join((error.format_message() or "no command given").split()).removesuffix(".")
    for fault in getattr(error.__cause__, "errors", list)():
        kind = KINDS.get(str(fault["type"]).partition("_")[0])
        own = f"{fault['input']!r} is not {kind}" if kind else fault["msg"].removeprefix("Value error, ")
        line = line.replace(fault["msg"].removesuffix("."), own.removesuffix("."))
    return line


def _other_name(error: ShapeAuditError, subject: str) -> str:
    """The known model whose name is nearest to one that the Hub does not have."""
    if not isinstance(error, NotFoundError):
        return ""
    from shape_audit.shape import known_models

    name = subject.partition("@")[0]
    return did_you_mean(name, (known for known in known_models() if known != name))
