"""The figures that the authors stored, as they are carried over here: see README.md."""

from __future__ import annotations

import csv
from pathlib import Path


def rows_of(name: str) -> dict[str, list[float]]:
    """Column -> values."""
    with (Path(__file__).resolve().parent / name).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {column: [float(row[column]) for row in rows] for column in rows[0]}
