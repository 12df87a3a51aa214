"""Reference of the exit codes, from their enumeration."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise

from scripts.docs_pages.markdown import cell, table
from shape_audit.errors import ExitCode

LEAD = """# Exit codes

Results go to stdout. Progress, notes and errors go to stderr; an error is one line that says what happened and what to
do, and `--debug` adds the traceback. Where a command takes several models, each is reported, and the exit code is the
first of 2, 3, 4 and 0 that occurred."""


def pages() -> dict[str, str]:
    """Path -> Markdown of the one page."""
    meanings = _docstrings()
    rows = [(str(int(code)), code.name.lower().replace("_", " "), cell(meanings[code.name])) for code in ExitCode]
    return {"reference/exit-codes.md": f"{LEAD}\n\n{table(('code', 'name', 'meaning'), rows)}\n"}


def _docstrings() -> dict[str, str]:
    body = ast.parse(inspect.getsource(ExitCode)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for node, after in pairwise(body.body):
        match node, after:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
    return found
