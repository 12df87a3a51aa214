"""The libraries that the page carries with it: files of published packages as they are, shipped with their licences.

`data/page_libraries/libraries.json` says which, from which version of which npm package, and their hashes;
`scripts/vendor` fetches them. Of plotly.js it is the basic bundle, a quarter of the whole, which has scatter plots.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from shape_audit.shipped import DATA

FOLDER = DATA / "page_libraries"
TABLE = ("datatables.min.js", "datatables-select.min.js")
"""Scripts, in the order in which they must run."""
TABLE_STYLE = "datatables.min.css"
PLOTS = "plotly-basic.min.js"


def libraries() -> list[dict[str, Any]]:
    """Name, package, version, licence and files of each library."""
    content: list[dict[str, Any]] = json.loads((FOLDER / "libraries.json").read_text(encoding="utf-8"))
    return content


@cache
def library(file: str) -> str:
    """A library's file, as text."""
    return (FOLDER / file).read_text(encoding="utf-8")


def credits() -> str:
    """The libraries with their versions and licences, in a few words."""
    return ", ".join(f"{one['name']} {one['version']} ({one['license']} licence)" for one in libraries())
