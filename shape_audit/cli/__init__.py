"""The command line: one module a command, each of which parses, calls one API function and prints through one sink."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from shape_audit.errors import ExitCode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what went wrong stands in one line on stderr.

    Args:
        arguments: without the program's name; None for those of the process.
    """
    from shape_audit.cli.interruption import listen

    listen()
    try:
        from shape_audit.cli.app import run

        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except Exception as error:  # the last net: a line, never a traceback
        from shape_audit.cli.failures import failed

        code = failed(error, subject="shape-audit", debug=False)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        # Python remembers that the interrupt left some string it was executing (imports do that), and would itself
        # die of the signal at exit, whatever code it is given; executing one that ends well makes it forget.
        exec("")
        print("shape-audit: interrupted; nothing half-written was left behind", file=sys.stderr)
    return int(code)
