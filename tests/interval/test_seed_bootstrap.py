"""The bootstrap over seeds: against an enumeration by hand, and what it says where it cannot say much."""

from pathlib import Path

import pytest

from shape_audit.interval import derive_interval
from shape_audit.interval.seed_bootstrap import resample_seeds
from shape_audit.interval.sweep_table import Cell
from tests.interval.tables import budget, table

DRAWS = 20_000


def cells(*losses: tuple[float, ...]) -> list[Cell]:
    """Shapes with R_D/W = 0.01, 0.02 ... and the losses of their runs."""
    return [Cell(depth, 100, values) for depth, values in enumerate(losses, start=1)]


def test_two_runs_of_two_shapes_as_worked_by_hand() -> None:
    """Two runs a and b come up as aa, ab, ba, bb; their means, about the mean and stretched by the root of 2, are
    m - s, m, m, m + s. The first shape's are 5 - 0.1 sqrt 2, 5, 5, 5 + 0.1 sqrt 2; the second's 5.05 and so on: it is
    better in 1/4 x 3/4 + 1/2 x 1/4 of the draws, 5 of 16."""
    bootstrap, note = resample_seeds({1_000_000: cells((4.9, 5.1), (4.95, 5.15))}, 0.02, draws=DRAWS, seed=0)
    assert bootstrap and note == "no shape was trained more than 2 times: what the bootstrap over seeds says is rough"
    assert bootstrap.best[0].share == pytest.approx(11 / 16, abs=0.02)
    assert bootstrap.best[0].r_dw_ci == (0.01, 0.02)
    assert (bootstrap.shapes, bootstrap.resampled, bootstrap.draws) == (2, 2, DRAWS)


def test_ends_move_with_the_seeds_and_stand_still_without_noise() -> None:
    """The second shape is within 2 % of the third in three draws of four: there it is the low end."""
    noisy = {1_000_000: cells((9.0, 9.0), (5.05, 5.15), (5.0, 5.0), (9.0, 9.0))}
    bootstrap, _ = resample_seeds(noisy, 0.02, draws=DRAWS, seed=0)
    assert bootstrap and bootstrap.low_ci == (0.02, 0.03) and bootstrap.high_ci == (0.03, 0.03)
    still, _ = resample_seeds({1_000_000: cells((9.0, 9.0), (5.0, 5.0), (9.0, 9.0))}, 0.02, draws=200, seed=0)
    assert still and still.low_ci == still.high_ci == (0.02, 0.02) and still.empty_share == 0


def test_the_share_of_empty_intersections() -> None:
    """The second budget's range is the second or the third shape alone, by turns; the first's is the second."""
    budgets = {
        1_000_000: cells((9.0, 9.0), (5.0, 5.0), (9.0, 9.0), (9.0, 9.0)),
        2_000_000: cells((9.0, 9.0), (4.0, 6.0), (5.0, 5.0), (9.0, 9.0)),
    }
    bootstrap, _ = resample_seeds(budgets, 0.02, draws=DRAWS, seed=0)
    assert bootstrap and bootstrap.empty_share == pytest.approx(1 / 4, abs=0.02)  # the second shape 6.4 in a quarter


def test_an_end_that_is_open_too_often_has_no_interval() -> None:
    bootstrap, _ = resample_seeds({1_000_000: cells((5.0, 5.2), (5.1, 5.1), (9.0, 9.0))}, 0.02, draws=2000, seed=0)
    assert bootstrap and bootstrap.low_ci is None and bootstrap.high_ci


def test_shapes_trained_once_are_counted_and_said(tmp_path: Path) -> None:
    once = derive_interval(table(tmp_path, budget(1e6, [9, 5, 5.2, 9])), draws=200)
    assert once.bootstrap is None and any("trained once: no bootstrap" in note for note in once.notes)
    some = derive_interval(table(tmp_path, [*budget(1e6, [9, 5, 5.2, 9]), (1_000_000, 3, 100, 5.1)]), draws=200)
    assert some.bootstrap and (some.bootstrap.shapes, some.bootstrap.resampled) == (4, 1)
    assert any("3 of 4 shapes were trained once" in note for note in some.notes)
    assert some.budgets[0].runs == 5


def test_copies_of_a_line_are_not_taken_for_runs_in_silence(tmp_path: Path) -> None:
    twice = derive_interval(table(tmp_path, 2 * budget(1e6, [9, 5, 5.2, 9])), draws=200)
    assert any("4 of 4 shapes have runs of one and the same loss" in note for note in twice.notes)


def test_equal_seeds_draw_equally(tmp_path: Path) -> None:
    path = table(tmp_path, budget(1e6, [9, 5, 5.2, 9]) + budget(1e6, [9, 5.1, 5.1, 9]))
    assert derive_interval(path, draws=300, seed=1) == derive_interval(path, draws=300, seed=1)
