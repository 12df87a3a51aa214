"""The facts that ship in `data/`, each file read once; open to all."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent / "data"


@cache
def facts(name: str) -> dict[str, Any]:
    """The content of `data/NAME.json`."""
    content: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return content


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The lines of `data/NAME.csv`."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))
