"""Deriving the efficient interaction interval from a sweep table, and reading one from a file.

For each budget: the shapes whose loss is within a tolerance of the budget's best, and the range of their R_D/W. An
end of the range that is the scan's outermost shape is open: it does not bind. The interval is the intersection of
the budgets' ranges. Source of the idea: Law of Neural Interaction (arXiv 2605.27989); the table: data/README.md.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.records import BudgetRange, Edge, Interval, IntervalDerivation, ToleranceRow, read_small_file
from shape_audit.shape.shipped_data import DATA

SHIPPED_TABLE = DATA / "ntp_sweep.csv"
SHIPPED_SOURCE = "sweep of arXiv 2605.27989 (github.com/wenjie1835/Interaction_Law, commit 853f922)"
DEFAULT_TOLERANCE = 0.02
DEFAULT_MIN_PARAMS = 1e6
SENSITIVITY = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.05)
COLUMNS = ("target_params", "num_hidden_layers", "hidden_size", "test_ce")


@dataclass(frozen=True)
class _Cell:
    """One shape of one budget."""

    r_dw: float
    loss: float


def derive_interval(
    table: str | Path | None = None,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    min_params: float = DEFAULT_MIN_PARAMS,
) -> IntervalDerivation:
    """Derive the interval of R_D/W from a sweep table.

    Args:
        table: CSV file with the columns target_params, num_hidden_layers, hidden_size, test_ce (any unit); None for
            the shipped sweep. Several rows of one shape and budget (seeds) count as one, with their mean loss.
        tolerance: how much worse than the budget's best a shape may be, as a fraction of the best loss.
        min_params: budgets below it are left out.

    Raises:
        UsageError: a column is missing, the tolerance is not a positive number, or no budget is left.
        CorruptFileError: a cell is not a number.
        IncompleteError: the file cannot be read.
    """
    if not 0 < tolerance < 1:
        raise UsageError(f"the tolerance must be a fraction between 0 and 1 (0.02 for 2 %), not {tolerance}")
    path = Path(table) if table is not None else SHIPPED_TABLE
    budgets = {n: cells for n, cells in sorted(_read_table(path).items()) if n >= min_params}
    if not budgets:
        raise UsageError(f"{path}: no budget of at least {min_params:g} parameters")
    ranges = [_budget_range(n, cells, tolerance) for n, cells in budgets.items()]
    low, high = _intersection(ranges)
    sensitivity = []
    for step in sorted({*SENSITIVITY, tolerance}):
        ends = _intersection([_budget_range(n, cells, step) for n, cells in budgets.items()])
        sensitivity.append(ToleranceRow(tolerance=step, low=ends[0], high=ends[1], is_empty=_is_empty(*ends)))
    return IntervalDerivation(
        name=f"{'reference sweep' if table is None else path.name}, {tolerance * 100:g} %",
        source=SHIPPED_SOURCE if table is None else path.name,
        tolerance=tolerance,
        min_params=min_params,
        low=low,
        high=high,
        is_empty=_is_empty(low, high),
        open_edges=_edges(low is None, high is None),
        budgets=ranges,
        sensitivity=sensitivity,
    )


@cache
def shipped_interval() -> Interval:
    """The interval every report uses unless it names another: derived from the shipped sweep at 2 %."""
    return interval_of(derive_interval())


def interval_of(derivation: IntervalDerivation) -> Interval:
    """The interval a derivation ends in.

    Raises:
        UsageError: the derivation is empty.
    """
    if derivation.is_empty:
        raise UsageError(
            f"{derivation.name}: the interval is empty, nothing can be placed against it; raise the tolerance"
        )
    return Interval(name=derivation.name, low=derivation.low, high=derivation.high, source=derivation.source)


def read_interval(path: str | Path) -> Interval:
    """Read an interval from a JSON file: {"low", "high", "name", "source"}, as `shape-audit interval` prints it.

    Raises:
        UsageError: neither end is given, the ends are in the wrong order, or not positive numbers.
        CorruptFileError: not JSON.
        IncompleteError: the file cannot be read.
    """
    path = Path(path)
    try:
        content = json.loads(read_small_file(path).decode("utf-8"))
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
    if content.get("is_empty") is True or _is_empty(low, high):
        raise UsageError(f"{path}: the interval is empty, nothing can be placed against it")
    name, source = content.get("name") or path.stem, content.get("source") or path.name
    return Interval(name=str(name), low=low, high=high, source=str(source))


def _is_empty(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low > high


def _read_table(path: Path) -> dict[int, list[_Cell]]:
    """Budget -> its shapes, each once."""
    losses: dict[tuple[int, int, int], list[float]] = defaultdict(list)
    try:
        with io.StringIO(read_small_file(path).decode("utf-8-sig"), newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
            if missing:
                there = ", ".join(reader.fieldnames or []) or "none"
                raise UsageError(f"{path}: no column {', '.join(missing)}; there are: {there}")
            for number, row in enumerate(reader, start=2):
                budget, depth, width, loss = _numbers(row, f"{path}: line {number}")
                losses[int(budget), int(depth), int(width)].append(loss)
    except OSError as error:
        raise IncompleteError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorruptFileError(f"{path}: not a CSV file in UTF-8") from error
    table: dict[int, list[_Cell]] = defaultdict(list)
    for (budget, depth, width), values in losses.items():
        table[budget].append(_Cell(r_dw=depth / width, loss=sum(values) / len(values)))
    return dict(table)


def _numbers(row: dict[str, str], where: str) -> list[float]:
    values = []
    for column in COLUMNS:
        kind = "number" if column == "test_ce" else "whole number"
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            value = math.nan
        if not 0 < value < math.inf or (column != "test_ce" and not value.is_integer()):
            raise CorruptFileError(f"{where}: {column} is {str(row[column])[:40]!r}, not a positive {kind}")
        values.append(value)
    return values


def _budget_range(budget: int, cells: list[_Cell], tolerance: float) -> BudgetRange:
    best = min(cells, key=lambda cell: cell.loss)
    within = [cell.r_dw for cell in cells if cell.loss <= best.loss * (1 + tolerance)]
    low, high = min(within), max(within)
    outermost = (min(cell.r_dw for cell in cells), max(cell.r_dw for cell in cells))
    return BudgetRange(
        target_params=budget,
        shapes=len(cells),
        within=len(within),
        best_r_dw=best.r_dw,
        best_loss=best.loss,
        low=low,
        high=high,
        open_edges=_edges(low == outermost[0], high == outermost[1]),
    )


def _edges(low: bool, high: bool) -> list[Edge]:
    """The names of the edges for which something holds."""
    edges: list[tuple[Edge, bool]] = [("low", low), ("high", high)]
    return [edge for edge, holds in edges if holds]


def _intersection(ranges: list[BudgetRange]) -> tuple[float | None, float | None]:
    """The tightest closed ends over all budgets; None where no budget closes that end."""
    lows = [r.low for r in ranges if "low" not in r.open_edges]
    highs = [r.high for r in ranges if "high" not in r.open_edges]
    return max(lows, default=None), min(highs, default=None)
