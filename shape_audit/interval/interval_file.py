"""An interval from a JSON file: written by hand, or by `shape-audit interval --format json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from shape_audit.errors import CorruptFileError, UsageError
from shape_audit.records import Interval, read_small_file
from shape_audit.shipped import DATA

SHIPPED_INTERVAL = DATA / "shipped_interval.json"
"""Written by scripts/make_yardsticks.py, so that it need not be derived at every start."""


@cache
def shipped_interval() -> Interval:
    """The interval every report uses unless it names another: that of the shipped sweep at 2 %."""
    return read_interval(SHIPPED_INTERVAL)


def is_empty(low: float | None, high: float | None) -> bool:
    """Whether two ends leave nothing between them."""
    return low is not None and high is not None and low > high


def read_interval(path: str | Path) -> Interval:
    """Read an interval from a JSON file: {"low", "high", "name", "source"}, as `shape-audit interval` prints it.

    Raises:
        UsageError: neither end is given, the ends are in the wrong order, or not positive numbers.
        CorruptFileError: not JSON.
        IncompleteError: the file cannot be read.
    """
    path = Path(path)
    try:
        content = json.loads(read_small_file(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not a JSON file; see `shape-audit interval --format json`") from error
    if not isinstance(content, dict):
        raise UsageError(f'{path}: not an interval; expected {{"low": ..., "high": ...}}')
    low, high = content.get("low"), content.get("high")
    for end in (low, high):
        is_number = isinstance(end, int | float) and not isinstance(end, bool)
        if end is not None and not (is_number and 0 < end < 1e300):
            raise UsageError(f"{path}: low and high must be positive numbers or null, not {str(end)[:40]}")
    if low is None and high is None:
        raise UsageError(f"{path}: neither low nor high is given")
    if content.get("is_empty") is True or is_empty(low, high):
        raise UsageError(f"{path}: the interval is empty, nothing can be placed against it")
    name, source = content.get("name") or path.stem, content.get("source") or path.name
    return Interval(name=str(name), low=low, high=high, source=str(source))
