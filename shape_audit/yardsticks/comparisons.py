"""The shapes of Gemstones against each other with no law between them: at equal total parameters, at equal device time.

At equal total parameters each loss is moved to the mean size of its budget, along the law of total parameters. At equal
time the fastest shape of a budget has seen so many tokens and the others fewer, as their device-seconds say; losses
between checkpoints are interpolated in ln tokens and ln loss, and sizes stay as they are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from functools import cache

import numpy as np

from shape_audit.records import ComparedShape, Comparison
from shape_audit.shipped import rows
from shape_audit.yardsticks.sweep_files import Checkpoints, Row, gemstones, gemstones_curve

TOKENS_AT_TOTAL = (10e9, 350e9)
TOKENS_AT_TIME = (50e9, 350e9)


def gemstones_comparisons() -> list[Comparison]:
    """All that are shown."""
    return [*map(at_equal_total, TOKENS_AT_TOTAL), *map(at_equal_time, TOKENS_AT_TIME)]


@cache
def _law_of_total() -> tuple[float, ...]:
    """ln loss = 1, n, n^2, x, x^2, x n over all shapes at 350B tokens; n of total parameters, x = ln R_D/W."""
    shapes = gemstones(Checkpoints(tokens=(349e9, 351e9)), basis="total")
    n_S = np.log([shape.params / 1e9 for shape in shapes])
    x_S = np.log([shape.r_dw for shape in shapes])
    design_SP = np.column_stack([np.ones_like(n_S), n_S, n_S**2, x_S, x_S**2, x_S * n_S])
    return tuple(np.linalg.lstsq(design_SP, np.log([shape.loss for shape in shapes]), rcond=None)[0])


def total_slope(params: float) -> float:
    """d ln loss / d ln(total parameters) at the best shape of so many."""
    _, of_n, of_n2, of_x, of_x2, of_xn = _law_of_total()
    n = math.log(params / 1e9)
    best = -(of_x + of_xn * n) / (2 * of_x2)
    return of_n + 2 * of_n2 * n + of_xn * best


def at_equal_total(tokens: float, slope: Callable[[float], float] = total_slope) -> Comparison:
    """At so many tokens.

    Args:
        slope: of ln loss over ln(total parameters), at so many.
    """
    found = []
    for models in _budgets().values():
        logs = [math.log(float(model["params_total"])) for model in models]
        mean = sum(logs) / len(logs)
        rate = slope(math.exp(mean))
        losses = [
            _loss_at(model, tokens) * math.exp(rate * (mean - log)) for model, log in zip(models, logs, strict=True)
        ]
        found += _compared(models, losses)
    return Comparison(price="tokens", tokens=tokens, shapes=found)


def at_equal_time(tokens: float) -> Comparison:
    """At the time in which the fastest shape of a budget sees so many tokens."""
    found = []
    for models in _budgets().values():
        seconds = [float(model["gcd_seconds_per_mtoken"]) for model in models]
        seen = [tokens * min(seconds) / each for each in seconds]
        found += _compared(models, [_loss_at(model, each) for model, each in zip(models, seen, strict=True)])
    return Comparison(price="training-time", tokens=tokens, shapes=found)


def _budgets() -> dict[str, list[Row]]:
    """The models of each budget, by R_D/W."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows("yardsticks/gemstones_models"):
        found[row["budget_group"]].append(row)
    return {
        name: sorted(models, key=lambda row: int(row["depth"]) / int(row["width"])) for name, models in found.items()
    }


def _loss_at(model: Row, tokens: float) -> float:
    seen_C, loss_C = np.log(gemstones_curve(model["model"])).T
    return float(np.exp(np.interp(math.log(tokens), seen_C, loss_C)))


def _compared(models: list[Row], losses: list[float]) -> list[ComparedShape]:
    return [
        ComparedShape(
            budget=model["budget_group"],
            num_hidden_layers=int(model["depth"]),
            hidden_size=int(model["width"]),
            loss=loss,
            loss_excess=loss / min(losses) - 1,
        )
        for model, loss in zip(models, losses, strict=True)
    ]
