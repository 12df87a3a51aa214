"""The command line: one module a command, each of which parses, calls one API function and prints through one sink."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from shape_audit.errors import ExitCode
from shape_audit.parallel import is_launched


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
    if code == ExitCode.INTERRUPTED and not is_launched():  # else the launcher says so, once
        from shape_audit.cli.sink import note

        note("shape-audit: interrupted; nothing half-written was left behind")
    return int(code)


def program() -> NoReturn:
    """The whole process: `main`, then out, without the interpreter's own way of ending.

    That way would abort the process (exit code -6) where a library's reading thread is still at work, and after an
    interrupt that met an import it would die of the signal whatever the exit code says.

    Processes that libraries start (lm-eval lists packages by `python -m pip`, multiprocessing spawns by `python -c`)
    must not look for their modules in the working directory either. PYTHONSAFEPATH (Python's -P) reaches all of them
    and leaves PYTHONPATH, virtual environments and the user's site-packages as they are, which -I would not.
    """
    gc.set_threshold(50_000)  # of 700: imports leave no garbage to look for, and a start is little else
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look through all installed packages
    try:
        code = main()
    except SystemExit as error:  # a process that another one has left alone
        code = int(error.code or 0)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            pass  # whoever read it has seen enough
        except OSError as error:
            from shape_audit.cli.failures import failed

            code = failed(error, subject="stdout", debug=False)
    os._exit(code)
