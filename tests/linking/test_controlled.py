"""What models trained alike say: the published figures from the shipped data, and the grades."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.tools.tools import add_constant

from shape_audit.linking import controlled_evidence
from shape_audit.linking.controlled_suite import suite_models
from shape_audit.linking.regression import least_squares
from shape_audit.linking.words import NOT_SUPPORTED, SUPPORTED, benchmark_verdict, benchmarks_in_words, loss_verdict
from shape_audit.records import ControlledEvidence, Effect

LOSS, BENCHMARKS = controlled_evidence()


def accuracies(name: str) -> list[float]:
    (budget,) = [budget for budget in BENCHMARKS.budgets if budget.name == name]
    assert [shape.r_dw for shape in budget.shapes] == sorted(shape.r_dw for shape in budget.shapes)
    return [shape.accuracy for shape in budget.shapes]


@pytest.mark.parametrize(
    ("budget", "published"),
    [("500M", (11.0, 11.9, 12.2, 12.3)), ("1B", (13.4, 14.1, 15.2)), ("2B", (16.1, 17.5, 18.0))],
)
def test_accuracy_rises_with_depth_up_to_the_deepest(budget: str, published: tuple[float, ...]) -> None:
    found = accuracies(budget)
    assert found == sorted(found)
    # one decimal; the 15.2 was rounded from 15.15, which was rounded from 15.148
    assert found == pytest.approx(published, abs=0.0525)


def test_small_models_differ_less() -> None:
    lowest, *others = accuracies("100M")
    assert lowest == pytest.approx(5.3, abs=0.05) and min(others) > 6.2 - 0.05 and max(others) < 6.7 + 0.05


def test_the_sentence_claims_no_more_than_the_intervals() -> None:
    at_size, _, of_large, of_all = BENCHMARKS.effects
    assert (of_large.n, of_all.n) == (10, 22) and of_large.ci[0] < 0 < of_large.ci[1]
    assert "+0.20 ± 0.13 points (95 %: -0.13 to +0.52) over those 10" in BENCHMARKS.summary
    assert "+0.02 ± 0.08 points (95 %: -0.16 to +0.19) over all 22 models" in BENCHMARKS.summary
    assert "Neither differs from 0 by more than chance" in BENCHMARKS.summary
    assert BENCHMARKS.summary.endswith("cannot rule out an effect of up to 0.5 points.")

    def said(of_large: Effect) -> str:
        return benchmarks_in_words(BENCHMARKS.budgets, [at_size, at_size, of_large, of_all], tasks=9)

    assert said(of_large.model_copy(update={"ci": (0.01, 0.5)})).endswith("shape adds to what the loss tells.")
    assert said(of_large.model_copy(update={"ci": (-0.5, -0.01)})).endswith("fewer right than their loss tells.")


def test_given_the_loss_shape_adds_nothing() -> None:
    given_loss = next(one for one in BENCHMARKS.effects if one.given == ["loss"] and one.n == 22)
    assert (round(given_loss.points, 2), round(given_loss.stderr, 2)) == (0.02, 0.08)
    assert round(given_loss.points, 3) == 0.017


def test_the_best_shape_by_loss_is_that_of_the_law() -> None:
    """Law B of the curated figures at 350B tokens: .0214, of all checkpoints from 45B .0201."""
    assert LOSS.best is not None and LOSS.best.r_dw_ci is not None
    assert LOSS.best.r_dw == pytest.approx(0.0205, abs=0.001)
    assert LOSS.best.r_dw_ci[0] < 0.0201 < LOSS.best.r_dw_ci[1]
    assert LOSS.best.curvature == pytest.approx(0.0036, abs=0.0002)
    x, y = np.log([model.r_dw for model in suite_models()]), np.log([model.loss for model in suite_models()])
    n = np.log([model.params_non_embedding for model in suite_models()])
    bend, slope = OLS(y, add_constant(np.column_stack([n, n**2, x**2, x]))).fit().params[-2:]
    assert LOSS.best.r_dw == pytest.approx(np.exp(-slope / (2 * bend)), rel=1e-6)


def test_standard_errors_are_those_of_statsmodels() -> None:
    generator = np.random.default_rng(1)
    x, z = generator.normal(size=(2, 15))
    y = 1 + 2 * x - z + generator.normal(size=15) * np.exp(x)
    found, errors = least_squares(y, [x, z])
    fit = OLS(y, add_constant(np.column_stack([x, z]))).fit(cov_type="HC3")
    assert found == pytest.approx(fit.params, rel=1e-10) and errors == pytest.approx(fit.bse, rel=1e-10)


def test_every_claim_has_its_own_grade() -> None:
    assert [(one.claim, one.verdict) for one in (LOSS, BENCHMARKS)] == [("loss", SUPPORTED), ("benchmarks", SUPPORTED)]
    assert LOSS.best is not None
    at_the_edge = LOSS.best.model_copy(update={"r_dw_ci": (0.01, 0.4)})
    flat = LOSS.best.model_copy(update={"curvature_ci": (-0.001, 0.004)})
    nowhere = LOSS.best.model_copy(update={"r_dw_ci": None})
    assert [loss_verdict(best) for best in (at_the_edge, flat, nowhere)] == [NOT_SUPPORTED] * 3
    assert benchmark_verdict(BENCHMARKS.effects[0].model_copy(update={"ci": (-0.1, 2.0)})) == NOT_SUPPORTED


def test_evidence_is_a_record() -> None:
    assert ControlledEvidence.model_validate_json(BENCHMARKS.model_dump_json()) == BENCHMARKS
