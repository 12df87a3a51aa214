"""The zoo that ships: what it is said to be, and what the commands make of a family of one budget."""

import json
import lzma
import re
from pathlib import Path

import numpy as np
import pytest

import shape_audit
from shape_audit.hub import read_checkpoint
from shape_audit.hub.builtin_models import builtin_folder, builtin_names
from shape_audit.models import LoadOptions, load_model
from shape_audit.parallel import SingleProcess
from shape_audit.records import Board, SweepRow
from shape_audit.sweep.evaluation import cross_entropy
from shape_audit.sweep.table import read_table
from tests.conftest import Program

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "zoo"
ZOO = [name for name in builtin_names() if name.startswith("zoo-")]


def shape_in(name: str) -> tuple[int, int]:
    found = re.fullmatch(r"zoo-300k-(\d+)x(\d+)", name)
    assert found
    return int(found[1]), int(found[2])


def row_of(name: str) -> SweepRow:
    """Its line in the table of the whole sweep."""
    rows = {(row.num_hidden_layers, row.hidden_size): row for row in read_table(RESULTS / "table.csv")}
    return rows[shape_in(name)]


def test_there_are_six_of_one_budget() -> None:
    assert sorted(shape_in(name)[0] for name in ZOO) == [1, 2, 4, 8, 12, 16]


@pytest.mark.parametrize("name", ZOO)
def test_a_model_is_what_its_name_its_card_and_the_table_say(name: str) -> None:
    row, shape = row_of(name), shape_audit.audit(f"builtin:{name}", shape_only=True).shape
    assert (shape.num_hidden_layers, shape.hidden_size) == shape_in(name) and shape.r_dw == row.r_dw
    assert shape.params_total == row.params == pytest.approx(300_000, rel=0.03)
    card = (builtin_folder(name) / "README.md").read_text()
    assert f"{row.params:,}" in card and f"{row.test_ce:.4f} nats per byte in float32" in card
    report = shape_audit.check(f"builtin:{name}", weights=True)
    assert not report.failing
    assert {finding.rule for finding in report.findings} <= {"SA101", "SA201", "SA202", "SA204", "SA206"}


@pytest.mark.long
def test_the_weights_that_ship_predict_the_text_they_were_tested_on(materials: Path) -> None:
    """On the first windows of the test text, which is a book or two of it."""
    packed = (materials / "corpus" / "test.txt.xz").read_bytes()
    text = np.frombuffer(lzma.decompress(packed)[:20_000], np.uint8)
    for name in ZOO:
        model = load_model(read_checkpoint(f"builtin:{name}"), LoadOptions(dtype="float32", device="cpu")).model
        assert cross_entropy(model, text, 256, SingleProcess())[0] == pytest.approx(row_of(name).test_ce, rel=0.15)


@pytest.mark.long
def test_the_family_stands_side_by_side_and_on_a_board_and_link_says_it_has_no_scores(
    program: Program, tmp_path: Path
) -> None:
    names = [f"builtin:{name}" for name in ZOO[::2]]
    few = ("--windows", "8", "--seq-len", "64", "--records", "records")
    done = program("audit", *names, *few)
    assert done.returncode == 0 and all(name in done.stdout for name in names), done.stderr
    linked = program("link", "--records", "records", "--params", "1e5:1e6")
    assert linked.returncode == 4 and "models without a score of this protocol: 3" in linked.stderr
    listed = ", ".join(f'"{name}"' for name in names)
    (tmp_path / "leaderboard.toml").write_text(
        f'order = "r_dw"\n[[models]]\nnames = [{listed}]\n[measure]\nwindows = 8\nseq_len = 64\n'
    )
    built = program("leaderboard", "build", "leaderboard.toml", "--measure")
    assert built.returncode == 0, built.stderr
    board = Board.model_validate(json.loads((tmp_path / "leaderboard" / "board.json").read_text()))
    assert [shape_in(row.model.removeprefix("builtin:"))[0] for row in board.rows] == sorted(
        shape_in(name)[0] for name in ZOO[::2]
    )
    assert all(row.measured and not row.failure for row in board.rows) and board.evidence == []
