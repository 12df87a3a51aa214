"""The law: against least squares that shares no code with it, planted laws, and the figures its sources give."""

import csv
import json
import math
from collections import defaultdict

import numpy as np
import pytest

from shape_audit.errors import UsageError
from shape_audit.shipped import DATA
from shape_audit.yardsticks import shipped_yardstick, shipped_yardsticks
from shape_audit.yardsticks.cost import _ends, _squared
from shape_audit.yardsticks.law_files import as_lines, shipped_law
from shape_audit.yardsticks.law_fit import TrainedShape, fit_law
from shape_audit.yardsticks.sweep_files import byte_sweep, gemstones, morph

GEMSTONES = gemstones()


def planted(c: float, a_star: float, noise: float, seed: int = 0) -> list[TrainedShape]:
    """The 22 shapes of Gemstones, with losses by a law that is known."""
    generator = np.random.default_rng(seed)
    found = []
    for shape in GEMSTONES:
        n, x = math.log(shape.params / 1e9), math.log(shape.r_dw / a_star)
        log_loss = 1.0 - 0.054 * n + 0.003 * n * n + c * x * x + generator.normal(0, noise)
        found.append(TrainedShape(shape.num_hidden_layers, shape.hidden_size, shape.budget, shape.params,
                                  math.exp(log_loss)))  # fmt: skip
    return found


def test_the_law_is_that_of_plain_least_squares_on_the_raw_losses() -> None:
    with (DATA / "yardsticks" / "gemstones_losses.csv").open() as stream:
        curves = [r for r in csv.DictReader(stream) if (r["run"], r["eval_set"]) == ("main", "dolma_val")]
    with (DATA / "yardsticks" / "gemstones_models.csv").open() as stream:
        models = {row["model"]: row for row in csv.DictReader(stream)}
    at_step: dict[int, dict[str, float]] = defaultdict(dict)
    for row in curves:
        for step, loss in zip(row["steps"].split(), row["losses"].split(), strict=True):
            if int(step) * 2048 * 2048 >= 45e9:
                at_step[int(step)][row["model"]] = math.log(float(loss))
    matrix, right = [], []
    for name, model in models.items():
        n = math.log(float(model["params_non_embedding"]) / 1e9)
        r = math.log(int(model["depth"]) / int(model["width"]))
        matrix.append([1.0, n, n * n, r, r * r])
        right.append(np.mean([losses[name] - np.mean(list(losses.values())) for losses in at_step.values()]))
    solved, left, *_ = np.linalg.lstsq(np.array(matrix), np.array(right), rcond=None)
    law = fit_law(gemstones(), "size curve", draws=0).law
    assert law.c == pytest.approx(solved[4], rel=1e-9)
    assert law.a_star == pytest.approx(math.exp(-solved[3] / (2 * solved[4])), rel=1e-9)
    assert law.residual_sd == pytest.approx(math.sqrt(left[0] / (22 - 5)), rel=1e-9)


def test_the_figures_of_the_sources() -> None:
    """../shared/reference/shape_sweeps/README.md, section B; intervals move in the third digit with the resamples."""
    law = shipped_yardstick("gemstones").law
    assert (round(law.a_star, 4), round(1000 * law.c, 2)) == (0.0201, 3.63)
    assert law.a_star_ci == pytest.approx((0.0167, 0.0245), abs=2e-4)
    assert law.c_ci == pytest.approx((0.00315, 0.00432), abs=5e-5)
    assert (round(100 * law.residual_sd, 2), round(100 * law.residual_sd_without_shape, 2)) == (0.22, 0.83)
    assert law.drift == pytest.approx(0.13, abs=0.005)
    assert law.drift_ci == pytest.approx((-0.04, 0.52), abs=0.02)
    total = fit_law(gemstones(basis="total"), "size curve", draws=0).law
    assert total.drift == pytest.approx(-0.61, abs=0.005)
    byte = shipped_yardstick("byte-sweep").law
    assert (round(byte.a_star, 3), round(byte.c, 4), round(100 * byte.residual_sd, 1)) == (0.042, 0.0143, 1.4)
    assert byte.a_star_ci == pytest.approx((0.039, 0.047), abs=5e-4)


@pytest.mark.parametrize("name", shipped_yardsticks())
def test_what_ships_is_what_the_data_gives(name: str) -> None:
    shipped = json.loads((DATA / "yardsticks" / "laws.json").read_text())[name]
    anew = json.loads(as_lines({name: shipped_law(name)}))[name]
    assert anew.keys() == shipped.keys()
    for key in anew.keys() - {"draws", "law", "size", "elasticities", "groups"}:
        assert anew[key] == shipped[key]
    for one, other in ((anew, shipped), (anew["law"], shipped["law"]), (anew["size"] or {}, shipped["size"] or {})):
        for key in one.keys() & {"draws", "elasticities", "of_params", "of_tokens", "a_star", "a_star_ci", "c", "c_ci"}:
            np.testing.assert_allclose(one[key], other[key], rtol=2e-4)  # sums in another order, printed to 5 digits


def test_a_planted_law_is_found() -> None:
    found = fit_law(planted(0.005, 0.013, 0.0), "size curve", draws=0)
    assert found.law.a_star == pytest.approx(0.013, rel=1e-9) and found.law.c == pytest.approx(0.005, rel=1e-9)
    assert found.size_slope == pytest.approx((-0.054, 0.003), rel=1e-6)
    assert found.law.residual_sd < 1e-12


def test_intervals_of_the_cost_cover() -> None:
    """Planted laws, 22 shapes, s.d. .2 %: 92-98 % of the intervals hold the true cost (s.e. of 400 runs: 1.1 %)."""
    c, a_star, runs = 0.00363, 0.0201, 400
    x_K = np.log([0.0039, 0.0134, 0.03, 0.1])
    truth_K = np.expm1(c * (x_K - math.log(a_star)) ** 2)
    held_K = np.zeros(4)
    for seed in range(runs):
        draws = fit_law(planted(c, a_star, 0.002, seed), "size curve", draws=200, seed=seed).draws
        roots_DK = np.sqrt(draws[:, 1:]) * (x_K - draws[:, :1])
        ends = [_squared(_ends(list(roots_D))) for roots_D in roots_DK.T]
        held_K += [end is not None and end[0] <= truth <= end[1] for end, truth in zip(ends, truth_K, strict=True)]
    assert ((held_K / runs >= 0.92) & (held_K / runs <= 0.98)).all(), held_K / runs


@pytest.mark.parametrize("name", ["gemstones", "morph", "byte-sweep"])
def test_intervals_belong_to_the_resamples(name: str) -> None:
    yardstick = shipped_yardstick(name)
    logs = [draw.log_best for draw in yardstick.draws]
    assert yardstick.law.a_star_ci is not None
    assert np.percentile(logs, [2.5, 97.5]) == pytest.approx(np.log(yardstick.law.a_star_ci), abs=0.04)


def test_budgets_without_company_tell_nothing() -> None:
    assert {len([s for s in morph() if s.budget == shape.budget]) > 1 for shape in morph()} == {True}
    assert len(morph()) == 74 and len(byte_sweep()) == 99 and len(gemstones()) == 22


def test_what_has_no_law() -> None:
    with pytest.raises(UsageError, match="more than 5 shapes"):
        fit_law(gemstones()[:5], "size curve")
    with pytest.raises(UsageError, match="budgets of several shapes"):
        fit_law([], "budgets")
    upside_down = [
        TrainedShape(s.num_hidden_layers, s.hidden_size, s.budget, s.params, 1 / s.loss) for s in gemstones()
    ]
    with pytest.raises(UsageError, match="no lowest point"):
        fit_law(upside_down, "size curve")
