"""Two claims held against models trained alike: that shape moves the loss at equal size, and that it moves benchmarks.

Models of different makers differ in data and recipe, which go along with shape; these do not. Each claim has its own
grade, by the thresholds of `words`, and is pooled with nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from shape_audit.linking.controlled_suite import BUDGETS, SOURCE, SUITE, SuiteModel, suite_models
from shape_audit.linking.regression import Floats, least_squares, student_ends
from shape_audit.linking.words import benchmark_verdict, benchmarks_in_words, loss_in_words, loss_verdict
from shape_audit.records import BestAtEqualSize, ControlledEvidence, Effect, SuiteBudget, SuiteShape

DRAWS = 4000
LEAST_FOUND = 0.95
"""Share of the resamples that must have a lowest point for an interval of it."""
FROM_PARAMS = 3e8
"""Smaller models are near guessing on most of the benchmarks: shown, and left out of the claim's own effect."""


def controlled_evidence() -> list[ControlledEvidence]:
    """What models trained alike say of loss and of benchmarks, a claim each."""
    models = suite_models()
    return [_of_loss(models), _of_benchmarks(models)]


def _of_loss(models: Sequence[SuiteModel]) -> ControlledEvidence:
    best = _best_at_equal_size(models)
    return ControlledEvidence(
        claim="loss",
        suite=SUITE,
        source=SOURCE,
        n_models=len(models),
        tokens=models[0].tokens,
        best=best,
        budgets=[],
        effects=[],
        verdict=loss_verdict(best),
        summary=loss_in_words(best, n_models=len(models), tokens=models[0].tokens),
    )


def _best_at_equal_size(models: Sequence[SuiteModel]) -> BestAtEqualSize:
    """ln loss = level(n) + c x^2 + p x, n = ln of non-embedding parameters, x = ln R_D/W; lowest at x = -p / 2c."""
    y_M = np.log([model.loss for model in models])
    n_M = np.log([model.params_non_embedding / 1e9 for model in models])
    x_M = np.log([model.r_dw for model in models])
    design_MP = np.column_stack([np.ones_like(n_M), n_M, n_M**2, x_M**2, x_M])
    fitted_P = np.linalg.lstsq(design_MP, y_M, rcond=None)[0]
    drawn_DM = np.random.default_rng(0).integers(len(models), size=(DRAWS, len(models)))
    of_draws_DP = np.array([np.linalg.lstsq(design_MP[row], y_M[row], rcond=None)[0] for row in drawn_DM])
    c_D, p_D = of_draws_DP[:, 3], of_draws_DP[:, 4]
    lowest_D = -p_D[c_D > 0] / (2 * c_D[c_D > 0])
    is_found = len(lowest_D) >= LEAST_FOUND * DRAWS
    return BestAtEqualSize(
        r_dw=math.exp(-fitted_P[4] / (2 * fitted_P[3])),
        r_dw_ci=_middle(np.exp(lowest_D)) if is_found else None,
        curvature=float(fitted_P[3]),
        curvature_ci=_middle(c_D),
        scanned=(math.exp(x_M.min()), math.exp(x_M.max())),
    )


def _of_benchmarks(models: Sequence[SuiteModel]) -> ControlledEvidence:
    large = [model for model in models if model.params_total >= FROM_PARAMS]
    effects = [
        _effect(large, ["params"]),
        _effect(models, ["params"]),
        _effect(large, ["loss"]),
        _effect(models, ["loss"]),
    ]
    budgets = _budgets(models)
    return ControlledEvidence(
        claim="benchmarks",
        suite=SUITE,
        source=SOURCE,
        n_models=len(models),
        tokens=models[0].tokens,
        budgets=budgets,
        effects=effects,
        verdict=benchmark_verdict(effects[0]),
        summary=benchmarks_in_words(budgets, effects, tasks=len(models[0].accuracies)),
    )


def _effect(models: Sequence[SuiteModel], given: list[str]) -> Effect:
    """Points a unit of ln R_D/W, given ln of all parameters, or the loss and its square."""
    x_M, points_M = np.log([model.r_dw for model in models]), _points(models)
    loss_M = np.array([model.loss for model in models])
    held = [_log_params(models)] if given == ["params"] else [loss_M, loss_M**2]
    found_P, errors_P = least_squares(points_M, [*held, x_M])
    value, error = float(found_P[-1]), float(errors_P[-1])
    ends = student_ends(value, error, len(models) - len(found_P))
    return Effect(given=given, n=len(models), points=value, stderr=error, ci=ends)


def _budgets(models: Sequence[SuiteModel]) -> list[SuiteBudget]:
    """Accuracies moved to the size of each budget, by what size is worth over all of them, R_D/W given."""
    found_P, _ = least_squares(_points(models), [_log_params(models), np.log([model.r_dw for model in models])])
    a_size = float(found_P[1])
    return [
        SuiteBudget(
            name=name,
            params=params,
            shapes=[
                SuiteShape(
                    num_hidden_layers=model.num_hidden_layers,
                    hidden_size=model.hidden_size,
                    r_dw=model.r_dw,
                    loss=model.loss,
                    accuracy=model.points_above_guessing + a_size * math.log(params / model.params_total),
                )
                for model in models
                if model.budget == name
            ],
        )
        for name, params in BUDGETS.items()
    ]


def _points(models: Sequence[SuiteModel]) -> Floats:
    return np.array([model.points_above_guessing for model in models])


def _log_params(models: Sequence[SuiteModel]) -> Floats:
    logs: Floats = np.log([model.params_total for model in models])
    return logs


def _middle(values: Floats) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
