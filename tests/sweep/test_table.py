"""The table of a sweep, on its own."""

import csv
from pathlib import Path

import pytest

from shape_audit.errors import CorruptFileError
from shape_audit.records import SweepRow
from shape_audit.sweep.table import COLUMNS, LATER, read_table, write_table


def row() -> SweepRow:
    """A line whose numbers follow from nothing."""
    required = {name: field.annotation for name, field in SweepRow.model_fields.items() if field.is_required()}
    made = {name: "x" if kind is str else 2 if kind is int else 0.5 for name, kind in required.items()}
    return SweepRow.model_validate(made | {"precision": "float32", "loss_gradient_last_channel_alignment": 0.25})


def test_a_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", [row()])
    assert read_table(tmp_path / "table.csv") == [row()]


def test_a_table_from_before_a_column_was_added_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    known = [name for name in COLUMNS if name not in LATER]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, known, extrasaction="ignore")
        writer.writeheader()
        writer.writerow(row().model_dump())
    (read,) = read_table(path)
    assert read == row().model_copy(update={"loss_gradient_last_channel_alignment": None})
    path.write_text(path.read_text().replace("test_ce", "loss"))
    with pytest.raises(CorruptFileError, match="other columns"):
        read_table(path)
