"""Shapes of Gemstones against each other: the tables of the curated figures, to their digits."""

import math
from collections.abc import Sequence

import pytest

from shape_audit.records import Comparison
from shape_audit.yardsticks import yardstick_report
from shape_audit.yardsticks.comparisons import at_equal_time, at_equal_total

BUDGETS = ("50M", "100M", "500M", "1B", "2B")
AT_TOTAL = {
    350e9: (
        (1.5, 0.2, 0), (7.7, 1.3, 1.3, 1.0, 0.9, 1.1, 0, 0.5, 0.6), (2.8, 1.0, 0.1, 0), (2.3, 1.1, 0), (1.2, 0.3, 0)
    ),
    10e9: (
        (1.6, 0, 0.6), (4.8, 0.2, 0.6, 0, 0.3, 0.9, 0.5, 1.0, 1.3), (2.5, 0, 0, 0), (2.3, 0, 0), (0.9, 0, 0.2)
    ),
}  # fmt: skip
"""Table A of ../shared/reference/shape_sweeps/README.md: per cent above the best of the budget, by rising R_D/W."""
SLOPES = {5e7: -0.113, 1e8: -0.098, 5e8: -0.067, 1e9: -0.056, 2e9: -0.047}
"""d ln L / d ln N of that table, which does not say from which fit they come."""
AT_TIME = {
    50e9: ((2.918, 2.885, 2.907, 2.941), (2.798, 2.767, 2.784), (2.690, 2.732, 2.748)),
    350e9: ((2.783, 2.751, 2.733, 2.757), (2.642, 2.619, 2.607), (2.520, 2.529, 2.527)),
}
"""Table E: losses at equal device time, 500M and up."""


def percents(found: Comparison) -> list[list[float]]:
    return [[100 * shape.loss_excess for shape in found.shapes if shape.budget == name] for name in BUDGETS]


def assert_close(found: Sequence[Sequence[float]], expected: Sequence[Sequence[float]], within: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=within)


@pytest.mark.parametrize("tokens", AT_TOTAL)
def test_losses_at_equal_total_parameters(tokens: float) -> None:
    """By slopes of our own, from the law of total parameters at 350B tokens: they differ by up to .005 from those of
    the curated table, and a budget's sizes by up to a fifth, which is .1 %.
    """
    assert_close(percents(at_equal_total(tokens)), AT_TOTAL[tokens], within=0.11)


@pytest.mark.parametrize("tokens", AT_TOTAL)
def test_with_the_slopes_of_the_source_they_are_its_figures(tokens: float) -> None:
    """To one decimal. Three of the 44 were rounded twice: 7.646, 2.748 and .850 by way of 7.65, 2.75 and .85 to 7.7,
    2.8 and .9. At 10B tokens the source gives a tie as two best shapes.
    """

    def slope(params: float) -> float:
        return SLOPES[min(SLOPES, key=lambda size: abs(math.log(size / params)))]

    assert_close(percents(at_equal_total(tokens, slope)), AT_TOTAL[tokens], within=0.0545)


@pytest.mark.parametrize("tokens", AT_TIME)
def test_losses_at_equal_device_time(tokens: float) -> None:
    shapes = at_equal_time(tokens).shapes
    found = [[round(shape.loss, 3) for shape in shapes if shape.budget == name] for name in BUDGETS[2:]]
    assert found == [list(losses) for losses in AT_TIME[tokens]]


def test_what_the_issue_says_of_the_shallowest() -> None:
    """R_D/W .003-.004 costs 1-3 % from 500M up, at equal total parameters."""
    shallow = [shape for shape in at_equal_total(350e9).shapes if shape.num_hidden_layers / shape.hidden_size < 0.004]
    assert [round(100 * shape.loss_excess, 1) for shape in shallow if shape.budget != "100M"] == [2.8, 2.3, 1.2]


def test_the_report_shows_them() -> None:
    shown = yardstick_report("gemstones").comparisons
    assert [(one.price, one.tokens) for one in shown] == [
        ("tokens", 10e9), ("tokens", 350e9), ("training-time", 50e9), ("training-time", 350e9),
    ]  # fmt: skip
    assert all(len(one.shapes) == 22 for one in shown) and not yardstick_report("morph").comparisons
