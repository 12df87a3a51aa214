"""How a score stands among models of its size: the rest that a straight line in log10 parameters leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import linear_regression

from shape_audit.records import AmongSize, ScoreRecord
from shape_audit.scores import across_models, published_scores
from shape_audit.shape import known_models

NEIGHBOURHOOD = 3.0
"""Models of a third to three times the parameters are of its size."""
FEWEST = 8
"""Models below which no line is drawn."""


def among_size(scores: Sequence[ScoreRecord], params: Mapping[str, float] | None = None) -> list[ScoreRecord]:
    """The scores, each with its place among published ones of equal protocol where there are enough.

    The line is fitted to the other models of the shipped table: general, not made from another one, base models for a
    base model and tuned ones for a tuned one. A model that the table does not know is held against base models.
    Limited runs, and those that are set apart, are left as they are.

    Args:
        params: model -> parameters, of models that the shipped table need not know.
    """
    if not scores:
        return []
    sizes = {name: known.params for name, known in known_models().items() if known.params} | dict(params or {})
    return [
        score.model_copy(update={"among_size": _place(score, sizes.get(score.model))})
        if score.model in sizes and score.is_comparable
        else score
        for score in scores
    ]


def _place(score: ScoreRecord, params: float | None) -> AmongSize | None:
    if not params:
        return None
    known = known_models()
    is_base = known[score.model].is_base if score.model in known else True
    protocol = across_models(score.protocol)
    others = [
        (known[other.model].params, other.value)
        for other in published_scores()
        if across_models(other.protocol) == protocol and other.model != score.model and other.model in known
        and known[other.model].is_base == is_base and known[other.model].domain == "general"
        and not known[other.model].derived_from
    ]  # fmt: skip
    low, high = params / NEIGHBOURHOOD, params * NEIGHBOURHOOD
    near = [(size, value) for size, value in others if size and low <= size <= high]
    if len(near) < FEWEST:
        return None
    log_sizes, values = [math.log10(size) for size, _ in near], [value for _, value in near]
    line = linear_regression(log_sizes, values)
    left = [value - line.slope * size - line.intercept for size, value in zip(log_sizes, values, strict=True)]
    spread = math.sqrt(sum(rest**2 for rest in left) / (len(near) - 2))
    expected = line.slope * math.log10(params) + line.intercept
    return AmongSize(
        expected=expected,
        residual=score.value - expected,
        spread=spread,
        n=len(near),
        params_range=(low, high),
        kind="base" if is_base else "instruct",
    )
