"""The parametric fit: exact on its own form, against another way, its intervals by simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import least_squares

from shape_audit.interval import derive_interval
from shape_audit.interval.loss_fit import fit_loss
from shape_audit.interval.sweep_table import SHIPPED_TABLE, Cell, read_budgets
from shape_audit.records import LossFit

BUDGETS = (300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
SHAPES = ((1, 200), (2, 160), (3, 120), (4, 100), (6, 80), (8, 64), (12, 48), (16, 40))
L_INF, A, B, C, BEST, DRIFT = 0.7, 300.0, 0.45, 0.03, 0.04, 0.12


def form(n: float, r_dw: float) -> float:
    log_best = math.log(BEST) + DRIFT * math.log(n / 1e6)
    return L_INF + A * n**-B + C * (math.log(r_dw) - log_best) ** 2


def sweep(loss: Callable[[float, float], float], budgets: tuple[int, ...] = BUDGETS) -> dict[int, list[Cell]]:
    return {
        n: [Cell(depth, width, (loss(n, depth / width),)) for depth, width in SHAPES[: len(SHAPES) - (n > 5e6)]]
        for n in budgets
    }


def fitted(budgets: dict[int, list[Cell]], draws: int = 200) -> LossFit:
    fit, note = fit_loss(budgets, draws=draws, seed=0)
    assert fit is not None, note
    return fit


def test_losses_of_the_form_are_recovered_exactly() -> None:
    fit = fitted(sweep(form))
    assert fit.rms < 1e-12 and fit.curvature == pytest.approx(C) and fit.drift == pytest.approx(DRIFT)
    assert fit.irreducible_loss == pytest.approx(L_INF, rel=1e-4)
    assert fit.coefficient == pytest.approx(A, rel=1e-3) and fit.exponent == pytest.approx(B, rel=1e-4)
    for best in fit.best:
        assert best.r_dw == pytest.approx(BEST * (best.target_params / 1e6) ** DRIFT)
        assert best.r_dw_ci == pytest.approx((best.r_dw, best.r_dw)) and best.is_scanned
        assert best.loss == pytest.approx(L_INF + A * best.target_params**-B)


def test_a_level_off_the_power_law_does_not_move_the_best_shape() -> None:
    fit = fitted(sweep(lambda n, r_dw: form(n, r_dw) + 0.2 * (n == 3_000_000)))
    assert fit.drift == pytest.approx(DRIFT) and fit.best[2].r_dw == pytest.approx(BEST * 3**DRIFT)


def test_the_shipped_table_against_a_search_over_all_unknowns_at_once() -> None:
    """scipy's least squares of the whole form, levels on the power law: close, since the levels nearly are on one."""
    budgets = {n: cells for n, cells in read_budgets(SHIPPED_TABLE).items() if n >= 1e6}
    rows = [(n, cell.r_dw, cell.loss) for n, cells in budgets.items() for cell in cells]
    n, a, loss = np.array(rows).T

    def left(unknowns: np.ndarray) -> np.ndarray:
        level, log_a, b, c, log_best, drift = unknowns
        far = np.log(a) - log_best - drift * np.log(n / 1e6)
        return np.asarray(level + np.exp(log_a) * (n / 1e6) ** -b + c * far**2 - loss)

    level, _, b, c, log_best, drift = least_squares(left, [0.7, -0.3, 0.5, 0.02, -3.2, 0.0]).x
    fit = fitted(budgets)
    assert fit.curvature == pytest.approx(c, rel=0.05)
    assert fit.best[0].r_dw == pytest.approx(math.exp(log_best), rel=0.1)
    assert fit.drift == pytest.approx(drift, abs=0.1)
    assert fit.exponent == pytest.approx(b, rel=0.1) and fit.irreducible_loss == pytest.approx(level, rel=0.1)


def test_the_shipped_table_has_its_best_shape_inside_its_interval_and_no_drift_from_a_million_on() -> None:
    derivation = derive_interval()
    fit = derivation.fit
    assert fit and derivation.low and derivation.high and fit.drift_ci
    assert all(derivation.low < best.r_dw < derivation.high for best in fit.best)
    assert fit.drift_ci[0] < 0 < fit.drift_ci[1]
    with_small = derive_interval(min_params=3e5).fit
    assert with_small and with_small.drift_ci and with_small.drift_ci[0] > 0  # with 0.3M and 0.6M, it does drift


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    hits = []
    for _ in range(60):
        noisy = sweep(lambda n, r_dw: form(n, r_dw) + float(generator.normal(0, 0.01)))
        fit = fitted(noisy)
        assert fit.drift_ci and fit.curvature_ci
        hits.append((fit.drift_ci[0] < DRIFT < fit.drift_ci[1], fit.curvature_ci[0] < C < fit.curvature_ci[1]))
    drift, curvature = np.mean(hits, axis=0)
    assert drift >= 0.88 and curvature >= 0.88


def test_one_budget_has_a_best_shape_and_no_drift() -> None:
    fit = fitted(sweep(form, budgets=(1_000_000,)))
    assert fit.best[0].r_dw == pytest.approx(BEST)
    assert fit.drift is fit.drift_ci is fit.exponent is fit.irreducible_loss is None


def test_three_budgets_have_a_drift_and_no_power_law() -> None:
    fit = fitted(sweep(form, budgets=BUDGETS[:3]))
    assert fit.drift == pytest.approx(DRIFT) and fit.exponent is None


def test_a_best_shape_beyond_the_scan_is_said_to_be_one() -> None:
    fit = fitted(sweep(lambda n, r_dw: 2 + C * (math.log(r_dw) - math.log(0.9)) ** 2, budgets=(1_000_000,)))
    assert fit.best[0].r_dw == pytest.approx(0.9) and not fit.best[0].is_scanned


def test_losses_that_only_fall_have_no_best_shape_however_nearly_straight() -> None:
    """Nearly straight in ln R_D/W, a parabola has its minimum anywhere, at R_D/W of 1e68 too."""
    generator = np.random.default_rng(7)
    for bend in (0.0, 1e-9, 1e-4, 1e-3):
        falling = sweep(lambda n, r_dw, bend=bend: 2 - 0.05 * math.log(r_dw) + bend * math.log(r_dw) ** 2)  # type: ignore[misc]
        fit, note = fit_loss(falling, draws=100, seed=0)
        assert fit is None and note and ("far beyond the scan" in note or "bend downwards" in note), bend
    for _ in range(100):
        noisy = sweep(lambda n, r_dw: 2 - 0.02 * math.log(r_dw) + float(generator.normal(0, 0.01)), (1_000_000,))
        fit, _ = fit_loss(noisy, draws=100, seed=0)
        width = math.log(0.4 / 0.005)
        assert fit is None or abs(math.log(fit.best[0].r_dw / math.sqrt(0.4 * 0.005))) <= 1.5 * width + 1e-9


def test_counts_of_parameters_in_the_place_of_budgets_are_no_fit_and_no_wait() -> None:
    counts = {1_000_000 + n: [Cell(1, 100 + n, (3.0,))] for n in range(20_000)}
    fit, note = fit_loss(counts, draws=2000, seed=0)
    assert fit is None and note and "too few shapes (20000)" in note
    pairs = {n: [*cells, *(Cell(depth, 99, (3.0,)) for depth in (2, 3, 4))] for n, cells in counts.items()}
    fit, note = fit_loss(pairs, draws=2000, seed=0)
    assert fit is None and note and "20,000 budgets; it is made for at most 100" in note


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (lambda n, r_dw: 2 - math.log(r_dw / 0.04) ** 2 / 100, "bend downwards"),
        (None, "too few shapes (2) for its 3 unknowns"),
    ],
)
def test_where_there_is_no_fit(loss: Callable[[float, float], float] | None, says: str) -> None:
    budgets = sweep(loss, (1_000_000,)) if loss else {1_000_000: [Cell(1, 100, (5.0,)), Cell(2, 100, (4.0,))]}
    fit, note = fit_loss(budgets, draws=100, seed=0)
    assert fit is None and note and says in note


def test_losses_without_a_minimum_that_holds_have_no_interval_of_it() -> None:
    generator = np.random.default_rng(3)
    budgets = sweep(lambda n, r_dw: 2 + float(generator.normal(0, 0.05)), (1_000_000, 2_000_000))
    fit, note = fit_loss(budgets, draws=500, seed=0)
    assert note and (fit is None or all(best.r_dw_ci is None for best in fit.best))
