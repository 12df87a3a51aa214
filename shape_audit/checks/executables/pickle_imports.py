"""What is known of the names that a pickle imports; `data/pickle_imports.csv` has the facts and their sources."""

from __future__ import annotations

from functools import cache
from typing import Literal

from shape_audit.shipped import rows

Import = tuple[str, str]
"""Module and name. A name may have dots, and then leads from the module through what that has imported itself."""
COMPUTED: Import = ("?", "?")
"""An import whose names the pickle puts together when it is loaded."""


def harm(imported: Import) -> Literal["runs code", "harmless", "unknown"]:
    """What an import is known for; what contains one that runs code does so too."""
    if imported == COMPUTED:
        return "runs code"
    facts = _facts()
    module, name = imported
    if facts.get((module, name)) == "harmless":
        return "harmless"
    path = [*module.split("."), *name.split(".")]
    starts = range(len(path) if "." in name else 1)  # `torch` `os.system` gets at os by way of torch
    for start in starts:
        for end in range(start + 1, len(path)):
            package, rest = ".".join(path[start:end]), ".".join(path[end:])
            if "runs code" in (facts.get((package, "*")), facts.get((package, rest))):
                return "runs code"
    return "unknown"


@cache
def _facts() -> dict[Import, str]:
    return {(row["module"], row["name"]): row["what"] for row in rows("pickle_imports")}
