"""The two libraries the page carries with it, as text: DataTables from itables' bundle, plotly.js from plotly.

`itables.to_html_datatable` is not used: it writes a table it has formatted itself under a random id, and starts the
bundle from a blob URL, which the page's content security policy forbids. The bundle is an ES module; its export is
turned into a global so that it can stand inline.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from shape_audit.errors import IncompleteError, MissingExtraError

_EXPORT = re.compile(r"export\s*\{[^{}]*?([\w$]+) as default\b[^{}]*\}\s*;?")


@cache
def datatables_js() -> str:
    """DataTables with its Select extension, as a module that sets `DataTable`.

    Raises:
        MissingExtraError: itables is not installed.
        IncompleteError: its bundle is not made as that of the versions this was written for.
    """
    bundle = _bundle("dt_bundle.js")
    export = _EXPORT.search(bundle)
    if export is None:
        raise IncompleteError("the DataTables bundle of the installed itables has no default export; use itables 2.9")
    return f"{bundle[: export.start()]}globalThis.DataTable={export[1]};{bundle[export.end() :]}"


@cache
def datatables_css() -> str:
    """The style sheet of the same bundle.

    Raises:
        MissingExtraError: itables is not installed.
    """
    return _bundle("dt_bundle.css")


@cache
def plotly_js() -> str:
    """All of plotly.js: the Python package has no smaller build.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise _missing("plotly") from error
    script: str = get_plotlyjs()
    return script


def _bundle(name: str) -> str:
    try:
        return (files("itables") / "html" / name).read_text(encoding="utf-8")
    except ImportError as error:
        raise _missing("itables") from error


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(f"the leaderboard's page needs {package}: pip install 'shape-audit[board]'")
