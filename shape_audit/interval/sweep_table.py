"""A sweep's table, as the derivation of an interval reads it: budgets, their shapes, and the losses of each shape.

A table may hold its shapes at several lengths of training (a column `tokens_per_param`). Shapes are compared at one
length alone; where only one is asked for, it is the longest at which a budget has all of its shapes.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.records import read_small_file
from shape_audit.shipped import DATA

SHIPPED_TABLE = DATA / "ntp_sweep.csv"
SWEEP_TABLE = "table.csv"
"""In the folder of every sweep."""
COLUMNS = ("target_params", "num_hidden_layers", "hidden_size", "test_ce")
LENGTH = "tokens_per_param"


@dataclass(frozen=True)
class Cell:
    """One shape of one budget, with a loss for each time it was trained."""

    num_hidden_layers: int
    hidden_size: int
    losses: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, width)."""
        return self.num_hidden_layers, self.hidden_size

    @property
    def r_dw(self) -> float:
        """The depth-width ratio."""
        return self.num_hidden_layers / self.hidden_size

    @property
    def loss(self) -> float:
        """Mean over the trainings."""
        return sum(self.losses) / len(self.losses)


Budgets = Mapping[int, list[Cell]]
"""Budget of parameters, ascending -> its shapes by R_D/W, each once."""
Lengths = Mapping[int, Mapping[float, list[Cell]]]
"""Budget -> tokens per parameter, ascending (0 where the table does not say) -> shapes."""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a table that `read_budgets` reads, every cell a text; raises as it does."""
    longest = {budget: _longest(of_length) for budget, of_length in read_lengths(path).items()}
    return [row for _, row in _read(path) if _length(row, path) == longest[int(float(row["target_params"]))]]


def _read(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """All lines of a table with their numbers in the file.

    Raises:
        UsageError: one of the four columns is missing.
        CorruptFileError: not a CSV file in UTF-8.
        IncompleteError: the file cannot be read.
    """
    try:
        with io.StringIO(read_small_file(path).decode("utf-8-sig"), newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            there = list(reader.fieldnames or [])
            missing = [column for column in COLUMNS if column not in there]
            if missing:
                commas = "; its cells must be separated by commas" if any(c in "".join(there) for c in ";\t") else ""
                raise UsageError(
                    f"{path}: no column {', '.join(missing)}; there are: {', '.join(there) or 'none'}{commas}"
                )
            return [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise IncompleteError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorruptFileError(f"{path}: not a CSV file in UTF-8") from error


def number_in(row: Mapping[str, Any], column: str) -> float | None:
    """What stands in a column; None where nothing or no finite number does."""
    try:
        value = float(row.get(column) or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_budgets(table: str | Path | None) -> Budgets:
    """The budgets of a table at one length each; several lines of one shape and budget are its trainings.

    Args:
        table: None for the shipped one.

    Raises:
        UsageError, CorruptFileError, IncompleteError: as `read_lengths`.
    """
    return {budget: of_length[_longest(of_length)] for budget, of_length in read_lengths(table).items()}


def read_lengths(table: str | Path | None) -> Lengths:
    """The budgets of a table at all lengths.

    Raises:
        UsageError: one of the four columns is missing.
        CorruptFileError: not a CSV file in UTF-8, a cell is not a positive number, or two lines are one training (a
            table with a column `seed`).
        IncompleteError: the file cannot be read.
    """
    path = Path(table) if table is not None else SHIPPED_TABLE
    losses: dict[tuple[int, float], dict[tuple[int, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    seen: dict[tuple[Any, ...], int] = {}
    for line, row in _read(path):
        budget, depth, width, loss = _numbers(row, f"{path}: line {line}")
        length = _length(row, f"{path}: line {line}")
        if seed := row.get("seed"):
            first = seen.setdefault((budget, length, depth, width, row.get("family"), seed), line)
            if first != line:
                raise CorruptFileError(f"{path}: line {line}: the same shape, budget and seed as in line {first}")
        losses[int(budget), length][int(depth), int(width)].append(loss)
    found: dict[int, dict[float, list[Cell]]] = {}
    for (size, length), of_shape in sorted(losses.items()):
        cells = [Cell(*shape, tuple(values)) for shape, values in of_shape.items()]
        found.setdefault(size, {})[length] = sorted(cells, key=lambda cell: cell.r_dw)
    return found


def _longest(of_length: Mapping[float, list[Cell]]) -> float:
    """The longest at which there are most shapes: a sweep under way may lack some at its last length."""
    return max(of_length, key=lambda length: (len(of_length[length]), length))


def _length(row: Mapping[str, Any], where: str | Path) -> float:
    """Of a line; 0 in a table without the column."""
    cell = row.get(LENGTH)
    value = 0.0 if cell is None else number_in(row, LENGTH)
    if value is None or (cell is not None and value <= 0):
        raise CorruptFileError(f"{where}: {LENGTH} is {str(cell)[:40]!r}, not a positive number")
    return value


def _numbers(row: Mapping[str, str], where: str) -> list[float]:
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
