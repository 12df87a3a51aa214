"""Deriving intervals, reading them, placing shapes against them."""

import json
import math
from pathlib import Path

import pytest

from shape_audit.errors import CorruptFileError, IncompleteError, ShapeAuditError, UsageError
from shape_audit.interval import derive_interval, read_interval, shipped_interval
from shape_audit.records import Interval, IntervalDerivation
from shape_audit.reports import interval_sentence
from shape_audit.shape import place
from tests.interval.tables import HEADER, budget, table


def test_the_shipped_sweep_gives_the_published_interval() -> None:
    derivation = derive_interval()
    assert (round(derivation.low or 0, 4), round(derivation.high or 0, 4)) == (0.0204, 0.0645)
    ranges = {b.target_params / 1e6: (round(b.low, 4), round(b.high, 4), b.open_edges) for b in derivation.budgets}
    assert ranges == {
        1: (0.0192, 0.0833, []), 1.3: (0.0170, 0.1000, []), 1.6: (0.0150, 0.0645, []), 2: (0.0204, 0.0806, []),
        2.3: (0.0125, 0.0758, []), 2.7: (0.0115, 0.1379, []), 3: (0.0167, 0.1333, []),
        5: (0.0128, 0.0667, ["high"]), 10: (0.0125, 0.0583, ["high"]),
    }  # fmt: skip
    sensitivity = {row.tolerance: row for row in derivation.sensitivity}
    assert [round(end or 0, 4) for end in (sensitivity[0.015].low, sensitivity[0.015].high)] == [0.0284, 0.0541]
    assert [round(end or 0, 4) for end in (sensitivity[0.025].low, sensitivity[0.025].high)] == [0.0192, 0.0758]
    assert sensitivity[0.01].is_empty and round(sensitivity[0.01].low or 0, 4) == 0.0357


def test_a_case_worked_by_hand(tmp_path: Path) -> None:
    rows = budget(1e6, [9, 5.05, 5, 5.1, 9]) + budget(2e6, [9, 9, 4, 4.01, 4.02])
    derivation = derive_interval(table(tmp_path, rows))
    first, second = derivation.budgets
    assert (first.low, first.high, first.open_edges, first.within) == (0.02, 0.04, [], 3)
    assert (second.low, second.high, second.open_edges, second.best_r_dw) == (0.03, 0.05, ["high"], 0.03)
    assert (derivation.low, derivation.high, derivation.is_empty) == (0.03, 0.04, False)


def test_the_table_of_a_sweeps_folder_is_named_after_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    rows = table(tmp_path, budget(1e6, [9, 5.05, 5, 5.1, 9]))
    assert derive_interval(rows).name == f"{rows.name}, 2 %"
    named = derive_interval(rows.rename(tmp_path / "mine" / "table.csv"))
    assert (named.name, named.source) == ("sweep mine, 2 %", "sweep mine")


def test_all_edges_open_bind_nothing(tmp_path: Path) -> None:
    derivation = derive_interval(table(tmp_path, budget(1e6, [5, 5, 5])))
    assert (derivation.low, derivation.high, derivation.open_edges) == (None, None, ["low", "high"])
    assert not derivation.is_empty and interval_sentence(derivation).startswith("No end of an interval of R_D/W is")


def test_ties_count_on_both_sides_and_the_shallower_is_named_best(tmp_path: Path) -> None:
    """Equal losses are all within the tolerance, one exactly at its edge too."""
    only = derive_interval(table(tmp_path, budget(1e6, [9, 5, 5, 5.1, 9]))).budgets[0]
    assert (only.best_r_dw, only.low, only.high, only.within) == (0.02, 0.02, 0.04, 3)
    twins = [(1_000_000, 1, 100, 9), (1_000_000, 2, 100, 5), (1_000_000, 4, 200, 5), (1_000_000, 8, 100, 9)]
    both = derive_interval(table(tmp_path, twins)).budgets[0]  # two shapes of one R_D/W are two
    assert (both.shapes, both.within, both.low, both.high) == (4, 2, 0.02, 0.02)


def test_budgets_need_not_have_the_same_shapes(tmp_path: Path) -> None:
    """Cells that are missing bind nothing: an end of a shorter scan is open where the longer one's is not."""
    rows = budget(1e6, [9, 5.05, 5, 5.1, 9]) + budget(2e6, [9, 9, 4, 4.01])[1:] + budget(4e6, [3])
    first, second, third = (derivation := derive_interval(table(tmp_path, rows))).budgets
    assert [b.shapes for b in (first, second, third)] == [5, 3, 1]
    assert (second.low, second.high, second.open_edges) == (0.03, 0.04, ["high"])
    assert third.open_edges == ["low", "high"]
    assert (derivation.low, derivation.high) == (0.03, 0.04)
    assert derivation.fit is not None and len(derivation.fit.best) == 3


def test_an_empty_intersection_is_a_result(tmp_path: Path) -> None:
    rows = budget(1e6, [9, 5, 9, 9, 9]) + budget(2e6, [9, 9, 9, 5, 9])
    derivation = derive_interval(table(tmp_path, rows))
    assert derivation.is_empty and (derivation.low, derivation.high) == (0.04, 0.02)


def test_seeds_of_one_shape_count_once_with_their_mean(tmp_path: Path) -> None:
    rows = [*budget(1e6, [9, 5, 5.2, 9]), (1_000_000, 3, 100, 4.8)]
    only = derive_interval(table(tmp_path, rows)).budgets[0]
    assert (only.shapes, only.low, only.high) == (4, 0.02, 0.03)


def test_small_budgets_are_left_out(tmp_path: Path) -> None:
    path = table(tmp_path, budget(3e5, [5, 9, 9]) + budget(1e6, [9, 5, 9]))
    whole = derive_interval(path)
    assert len(whole.budgets) == 2 and whole.min_params == 3e5, "a table of one's own counts whole"
    assert len(derive_interval(path, min_params=1e6).budgets) == 1
    assert derive_interval().min_params == 1e6
    with pytest.raises(UsageError, match="no budget of at least 1e\\+09"):
        derive_interval(path, min_params=1e9)


def test_what_the_scan_does_not_hold_is_doubted(tmp_path: Path) -> None:
    """The small budget is best at its first shape, below which the large one's range ends."""
    small, large = budget(3e5, [9, 5, 6, 7])[1:], budget(1e6, [5, 9, 9])
    found = derive_interval(table(tmp_path, small + large), draws=100)
    assert found.high == 0.01 and found.low is None and not found.is_empty
    assert (
        "the best shape of 2 of 2 budgets is the outermost that was scanned: a better one may lie beyond" in found.notes
    )
    assert "the high end lies beyond the scan of 1 of 2 budgets" in found.notes
    counts = table(tmp_path, [(1_000_000 + depth, depth, 100, 5.0) for depth in (1, 2, 3)])
    assert any("3 of 3 budgets have a single shape" in note for note in derive_interval(counts).notes)
    assert derive_interval(table(tmp_path, budget(1e6, [9, 5, 9]))).notes == [
        "every shape was trained once: no bootstrap over seeds, and a single run decides which is best",
        "no parametric fit: too few shapes (3) for its 3 unknowns",
    ]


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ("a,b\n1,2\n", UsageError, "no column target_params, .*; there are: a, b"),
        ("", UsageError, "there are: none"),
        (HEADER.replace(",", ";"), UsageError, "its cells must be separated by commas"),
        (HEADER.replace(",", ", ") + "1000000, 2, 100, abc\n", CorruptFileError, "line 2: test_ce is 'abc'"),
        (HEADER + "1000000,2,100,abc\n", CorruptFileError, "line 2: test_ce is 'abc'"),
        (HEADER + "1000000,2,100,nan\n", CorruptFileError, "line 2: test_ce is 'nan'"),
        (HEADER + "1000000,2,0,1\n", CorruptFileError, "line 2: hidden_size is '0'"),
        (HEADER + "1000000,2,0.5,1\n", CorruptFileError, "hidden_size is '0.5', not a positive whole number"),
        (HEADER + "1000000,2.7,8,1\n", CorruptFileError, "num_hidden_layers is '2.7'"),
        (HEADER + "1000000,2\n", CorruptFileError, "line 2: hidden_size is 'None'"),
        (HEADER + "1000000,2,100,1\n\n1000000,2,100,x\n", CorruptFileError, "line 4: test_ce is 'x'"),
        (
            HEADER.replace("test_ce", "test_ce,seed") + 2 * "1000000,2,100,1,0\n",
            CorruptFileError,
            "line 3: the same shape, budget and seed as in line 2",
        ),
    ],
)
def test_bad_tables(tmp_path: Path, content: str, error: type[Exception], says: str) -> None:
    path = tmp_path / "sweep.csv"
    path.write_text(content)
    with pytest.raises(error, match=says):
        derive_interval(path)


def test_bad_files_and_tolerances(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="No such file"):
        derive_interval(tmp_path / "gone.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorruptFileError, match="not a CSV"):
        derive_interval(tmp_path / "binary.csv")
    for tolerance in (0, -1, math.nan, math.inf):
        with pytest.raises(UsageError, match="tolerance"):
            derive_interval(tolerance=tolerance)
    with pytest.raises(UsageError, match="--seed must be 0 or more"):
        derive_interval(seed=-1)
    with pytest.raises(UsageError, match=r"--draws 50000000: at most 505,050 of 99 shapes"):
        derive_interval(draws=50_000_000)


def interval_in(derived: IntervalDerivation) -> Interval:
    return Interval(name=derived.name, low=derived.low, high=derived.high, source=derived.source)


def test_an_interval_goes_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    derived = derive_interval(tolerance=0.015)
    path.write_text(derived.model_dump_json())
    assert read_interval(path) == interval_in(derived)
    path.write_text('{"low": 0.01}')
    assert read_interval(path) == Interval(name="mine", low=0.01, high=None, source="mine.json")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"low": "a"}',
        '{"low": -1}',
        '{"low": true}',
        '{"low": 1e999}',
        '{"low": 1' + "0" * 400 + "}",
        '{"low": 2, "high": 1}',
        "[" * 9999,
    ],
)
def test_bad_interval_files(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(ShapeAuditError, match=r"bad\.json"):
        read_interval(path)


def test_placement() -> None:
    interval = shipped_interval()
    assert interval == interval_in(derive_interval(draws=0)), "see scripts/make_yardsticks.py"
    assert interval.low is not None and interval.high is not None
    below, inside, above = place(0.01, interval), place(0.03, interval), place(0.1, interval)
    assert (below.side, inside.side, above.side) == ("shallow-wide", "inside", "deep-narrow")
    assert below.log_distance == pytest.approx(math.log(interval.low / 0.01))
    assert above.log_distance == pytest.approx(math.log(0.1 / interval.high))
    assert inside.log_distance == 0
    assert place(interval.low, interval).side == place(interval.high, interval).side == "inside"
    assert "of the 184 base models in the shipped table 160 lie below it and none above" in inside.caveat


def test_open_ends_do_not_bind() -> None:
    half_open = Interval(name="x", low=None, high=0.05, source="mine.csv")
    assert place(1e-9, half_open).side == "inside" and place(0.06, half_open).side == "deep-narrow"
    assert place(0.06, half_open).caveat == "the interval comes from mine.csv"


def test_json_of_a_derivation_reads_back() -> None:
    content = json.loads(derive_interval().model_dump_json())
    assert content["low"] == 1 / 49 and content["high"] == 2 / 31
