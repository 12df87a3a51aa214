"""Costs: against a slow twin that searches every resample by itself, and the figures that sources and issue give."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from shape_audit.records import Price
from shape_audit.yardsticks import best_r_dw_at_total, cost_band, shape_costs, shipped_yardstick
from shape_audit.yardsticks.comparisons import at_equal_time
from shape_audit.yardsticks.report import BANDS
from shape_audit.yardsticks.yardstick import Draw, Yardstick

GRID = np.linspace(math.log(1e-4), math.log(2.0), 10_001)


@dataclass
class Shape:
    num_hidden_layers: int
    hidden_size: int
    params_total: int
    params_non_embedding: int


QWEN = Shape(24, 896, 494_032_768, 357_898_112)
"""Qwen2-0.5B: tied, 151,936 tokens."""
LLAMA = Shape(16, 2048, 1_235_814_400, 973_146_112)


@pytest.fixture(scope="module")
def gemstones() -> Yardstick:
    return shipped_yardstick("gemstones")


def slow_cost(yardstick: Yardstick, shape: Shape, basis: str, price: Price) -> Callable[[Draw], tuple[float, float]]:
    """Of a resample, (ln loss over the best shape's, ln R_D/W of that): a grid of shapes of exactly the model's size.

    The model's own shape is the grid's first.
    """
    size = yardstick.size
    assert size is not None
    at_K = np.append(math.log(shape.num_hidden_layers / shape.hidden_size), GRID)
    level_K, time = np.zeros_like(at_K), 0.0
    if basis == "total":
        rows = (shape.params_total - shape.params_non_embedding) / shape.hidden_size
        block = shape.params_non_embedding / shape.num_hidden_layers / shape.hidden_size**2
        low_K, high_K = np.full_like(at_K, 1e-3), np.full_like(at_K, 1e7)
        for _ in range(100):  # widths by bisection
            middle_K = (low_K + high_K) / 2
            over_K = block * np.exp(at_K) * middle_K**3 + rows * middle_K > shape.params_total
            low_K, high_K = np.where(over_K, low_K, middle_K), np.where(over_K, middle_K, high_K)
        n_K = np.log(block * np.exp(at_K) * low_K**3 / 1e9)
        level_K = size.slope * n_K + size.bend * n_K * n_K
    if price == "training-time":
        time = size.tokens_slope(shape.params_non_embedding, 1e11)

    def of(draw: Draw) -> tuple[float, float]:
        elasticity = draw.elasticity if basis == "non-embedding" else draw.elasticity_total
        logs_K = draw.c * (at_K - draw.log_best) ** 2 + level_K + elasticity * time * at_K
        return float(logs_K[0] - logs_K.min()), float(at_K[logs_K.argmin()])

    return of


@pytest.mark.parametrize("shape", [QWEN, LLAMA], ids=["qwen", "llama"])
def test_costs_are_those_of_a_search(gemstones: Yardstick, shape: Shape) -> None:
    x = math.log(shape.num_hidden_layers / shape.hidden_size)
    for cost in shape_costs(gemstones, shape):
        slow = slow_cost(gemstones, shape, cost.basis, cost.price)
        excess, best = slow(gemstones.fitted)
        assert math.log1p(cost.loss_excess) == pytest.approx(excess, abs=1e-7)
        assert math.log(cost.best_r_dw) == pytest.approx(best, abs=2e-3)  # the grid is .001 wide
        roots = [math.copysign(math.sqrt(excess), x - best) for excess, best in map(slow, gemstones.draws)]
        low, high = np.percentile(roots, [2.5, 97.5])
        smaller, larger = sorted((abs(low), abs(high)))
        expected = (0.0 if low <= 0 <= high else math.expm1(smaller**2), math.expm1(larger**2))
        assert cost.loss_excess_ci == pytest.approx(expected, abs=2e-6)  # of one Newton step for each resample


def test_bands_and_costs_of_the_sources(gemstones: Yardstick) -> None:
    bands = [cost_band(gemstones, excess) for excess in BANDS]
    assert [(round(b.low, 4), round(b.high, 3)) for b in bands] == [(0.0062, 0.065), (0.0038, 0.106), (0.0019, 0.208)]
    given = {0.004: 0.95, 0.0078: 0.33, 0.010: 0.18, 0.016: 0.02, 0.03: 0.06, 0.06: 0.43}
    for r_dw, percent in given.items():
        shape = Shape(round(r_dw * 10_000), 10_000, 1_100_000_000, 1_000_000_000)
        cost = shape_costs(gemstones, shape)[0]
        assert 100 * cost.loss_excess == pytest.approx(percent, abs=0.006)
    ends = shape_costs(gemstones, Shape(40, 10_000, 1_100_000_000, 1_000_000_000))[0].loss_excess_ci
    assert ends is not None and 100 * np.array(ends) == pytest.approx((0.66, 1.37), abs=0.05)


def test_the_vocabulary_moves_the_best_shape(gemstones: Yardstick) -> None:
    best = [round(best_r_dw_at_total(gemstones, total, 2 * 50_304, 15), 3) for total in (1e8, 5e8, 1e9, 2e9, 7e9)]
    assert best == [0.095, 0.036, 0.029, 0.025, 0.022]


def test_equal_training_time_asks_for_shallower_shapes(gemstones: Yardstick) -> None:
    assert (round(gemstones.fitted.elasticity, 2), round(gemstones.fitted.elasticity_total, 2)) == (0.20, 0.33)
    shape = Shape(20, 1000, 1_100_000_000, 1_000_000_000)
    best = [
        round(shape_costs(gemstones, shape, tokens=tokens)[1].best_r_dw, 3) for tokens in (2e10, 5e10, 1e11, 3.5e11)
    ]
    assert best == [0.004, 0.008, 0.010, 0.014]


def test_equal_training_time_is_dearer_the_shorter_the_training(gemstones: Yardstick) -> None:
    """24 x 896 at equal training time: the issue's example says .9 %, and does not say at how many tokens.

    At the 100B that are the default it is .3 %; .9 % belongs to 27B tokens at this size, or 30B at 1B parameters
    (elasticity .20; at equal total parameters and .33, 50B at 1B). The losses themselves say the same of the nearest
    shape that was trained, 28 x 1,024 of 500M: .8 % above the best at 50B tokens of equal time, 0 at 350B.
    """
    tokens = (2.7e10, 1e11, 3.5e11)
    costs = [shape_costs(gemstones, QWEN, tokens=each)[1] for each in tokens]
    assert [(cost.basis, cost.price, cost.tokens) for cost in costs] == [
        ("non-embedding", "training-time", each) for each in tokens
    ]
    assert [round(100 * cost.loss_excess, 1) for cost in costs] == [0.9, 0.3, 0.1]
    assert shape_costs(gemstones, QWEN)[1].loss_excess == costs[1].loss_excess
    of_a_billion = Shape(24, 896, 1_100_000_000, 1_000_000_000)
    assert round(100 * shape_costs(gemstones, of_a_billion, tokens=3e10)[1].loss_excess, 1) == 0.9
    assert round(100 * shape_costs(gemstones, of_a_billion, tokens=5e10)[3].loss_excess, 1) == 0.9
    trained = [
        next(shape.loss_excess for shape in at_equal_time(each).shapes if shape.hidden_size == 1024)
        for each in (5e10, 3.5e11)
    ]
    assert [round(100 * excess, 1) for excess in trained] == [0.8, 0.0]


def test_the_example_of_the_issue(gemstones: Yardstick) -> None:
    cost = shape_costs(gemstones, QWEN)[0]
    assert cost.loss_excess_ci is not None and [round(100 * end, 1) for end in cost.loss_excess_ci] == [0.0, 0.1]
    assert round(100 * cost.loss_excess, 2) == 0.03 and cost.extrapolates == []
    assert cost.equivalent_params_fraction is not None and gemstones.size is not None
    fewer = math.log1p(-cost.equivalent_params_fraction)  # the best shape with so many fewer has the same loss
    assert fewer * gemstones.size.params_slope(QWEN.params_non_embedding) == pytest.approx(math.log1p(cost.loss_excess))


def test_what_lies_beyond_is_said(gemstones: Yardstick) -> None:
    assert shape_costs(gemstones, Shape(32, 4096, 8_030_261_248, 6_979_588_096))[0].extrapolates == ["params"]
    deep = Shape(100, 1000, 1_000_000_000, 900_000_000)
    assert shape_costs(gemstones, deep)[0].extrapolates == ["r_dw"]  # as deep ones were trained at 50M and 100M only
    small = Shape(71, 256, 95_000_000, 70_000_000)
    assert shape_costs(gemstones, small)[0].extrapolates == []
    assert shape_costs(gemstones, QWEN, tokens=7e12)[0].extrapolates == ["tokens"]
    assert [cost.tokens for cost in shape_costs(gemstones, QWEN, tokens=7e12)] == [None, 350e9, None, 350e9]


def test_other_yardsticks_tell_what_they_can() -> None:
    assert [(c.basis, c.price) for c in shape_costs(shipped_yardstick("morph"), QWEN)] == [("non-embedding", "tokens")]
    byte = shape_costs(shipped_yardstick("byte-sweep"), QWEN)
    assert [(c.basis, c.price) for c in byte] == [("total", "tokens")] and byte[0].extrapolates == ["params"]
    assert byte[0].equivalent_params_fraction is None
