"""The action's check: its inputs, which come by environment variables, as a command line of `shape-audit check`.

Run by `python -I` of the environment that action/install has made.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path


def arguments(inputs: Mapping[str, str]) -> list[str]:
    """The command line. ARGS may have lines and quotes as in a shell; MODEL is never an option, whatever it is.

    Raises:
        ValueError: a quote in ARGS is not closed.
    """
    model, anchor, config = inputs["MODEL"], inputs.get("ANCHOR"), inputs.get("CONFIG")
    if not anchor and Path(model, "config.json").is_file():
        anchor = Path(model, "config.json").as_posix()
    files = {"markdown": inputs.get("GITHUB_STEP_SUMMARY"), "sarif": inputs.get("SARIF")}
    return [
        *([f"--config={config}"] if config else []),
        "check",
        "--format=github",
        *([f"--anchor={anchor}"] if anchor else []),
        *(f"--also={form}={file}" for form, file in files.items() if file),
        *shlex.split(inputs.get("ARGS", "")),
        "--",
        model,
    ]


if __name__ == "__main__":
    from shape_audit.cli import program

    try:
        sys.argv[1:] = arguments(os.environ)
    except ValueError as error:
        print(f"shape-audit: args: {error}", file=sys.stderr)
        sys.exit(4)
    program()
