"""From models and scores to evidence: rank correlations, a contrast, the search for an optimum, and a verdict.

Everything is given size, since larger models score higher and are also wider; and, where they are known, training
tokens. Intervals are given three ways, because models are no independent sample: by model, by family (same data and
recipe) and by shape (many models share one). The verdict looks at the widest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from shape_audit.errors import UsageError
from shape_audit.linking.points import Point
from shape_audit.linking.resampling import (
    Floats,
    mid_ranks,
    partial_spearman,
    percentile_interval,
    permutation_p,
    resample_counts,
)
from shape_audit.linking.words import nothing_to_link, summary, verdict
from shape_audit.records import Association, Contrast, Interval, LinkEvidence, Optimum, Predictor

FEWEST = 20
"""Models below which nothing is claimed."""
STRATA = 5
"""Of size, for permutations."""
CENTRES = 41
GIVEN: tuple[tuple[str, ...], ...] = ((), ("params",), ("params", "tokens"))
"""What each correlation is given, in turn."""
CHI_SQUARE_95 = 3.841459
"""Of one degree of freedom: scipy.stats.chi2.ppf(0.95, 1)."""

Progress = Callable[[str, int, int], None]
"""(what is being worked out, steps done, steps in all)"""


def link_evidence(
    points: Sequence[Point],
    *,
    protocol: str,
    interval: Interval,
    left_out: Sequence[str] = (),
    with_floor: bool = True,
    draws: int = 10_000,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> LinkEvidence:
    """All evidence from one set of models.

    Args:
        points: see `make_points`.
        with_floor: keep models at the chance floor; leaving them out selects on the outcome.
        draws: resamples, and permutations.

    Raises:
        UsageError: fewer than two models are left.
    """
    at_floor = sum(point.is_at_floor for point in points)
    points = [point for point in points if with_floor or not point.is_at_floor]
    if len(points) < 2:
        raise UsageError(nothing_to_link(len(points), protocol, left_out))
    generator = np.random.default_rng(seed)
    names = dict.fromkeys(name for point in points for name in point.predictors)
    steps = [(name, given) for name in names for given in GIVEN]
    found: dict[str, list[Association]] = {name: [] for name in names}
    for done, (name, given) in enumerate(steps):
        some = _usable(points, name, given)
        progress(f"{name} given {' and '.join(given) or 'nothing'}: {len(some)} models", done, len(steps) + 1)
        if len(some) >= 3 + len(given):
            found[name].append(_association(name, some, given, draws, generator))
    progress("inside against outside", len(steps), len(steps) + 1)
    predictors = [Predictor(name=name, associations=associations) for name, associations in found.items()]
    contrast, optimum = _contrast(points, draws, generator), _optimum(points)
    return LinkEvidence(
        protocol=protocol,
        interval=interval,
        n_models=len(points),
        n_families=len({point.family for point in points}),
        n_shapes=len({point.shape for point in points}),
        n_at_floor=at_floor,
        with_floor=with_floor,
        draws=draws,
        seed=seed,
        predictors=predictors,
        contrast=contrast,
        optimum=optimum,
        verdict=verdict(predictors, contrast, len(points)),
        summary=summary(
            predictors, contrast, optimum, interval=interval, n_models=len(points),
            n_inside=sum(point.is_inside for point in points),
        ),
        left_out=list(left_out),
    )  # fmt: skip


def _usable(points: Sequence[Point], name: str, given: Sequence[str]) -> list[Point]:
    """The models of which all that is needed is known."""
    some = [point for point in points if name in point.predictors]
    return [point for point in some if point.log_tokens is not None] if "tokens" in given else some


def _association(
    name: str, points: Sequence[Point], given: Sequence[str], draws: int, generator: np.random.Generator
) -> Association:
    columns = _columns(name, points, given)
    ones = np.ones((1, len(points)))
    seen = float(partial_spearman(columns, ones)[0])
    families = [point.family for point in points]

    def interval(groups: Sequence[str]) -> tuple[float, float] | None:
        return percentile_interval(partial_spearman(columns, resample_counts(groups, draws, generator)))

    leaving = np.array([[float(point.family != family) for point in points] for family in dict.fromkeys(families)])
    without = partial_spearman(columns, leaving)
    without = without[np.isfinite(without)]
    return Association(
        given=list(given),
        n=len(points),
        rho=seen if math.isfinite(seen) else None,
        ci_models=interval([point.model for point in points]),
        ci_families=interval(families),
        ci_shapes=interval([point.shape for point in points]),
        without_a_family=(float(without.min()), float(without.max())) if len(without) else None,
        p_permutation=permutation_p(columns, _strata(columns_of_size(points)), draws, generator),
    )


def _columns(name: str, points: Sequence[Point], given: Sequence[str]) -> list[Floats]:
    columns = [np.array([point.predictors[name] for point in points]), np.array([point.score for point in points])]
    if "params" in given:
        columns.append(columns_of_size(points))
    if "tokens" in given:
        columns.append(np.array([point.log_tokens or 0.0 for point in points]))
    return columns


def columns_of_size(points: Sequence[Point]) -> Floats:
    """log10 of parameters (n,)."""
    return np.array([point.log_params for point in points])


def _strata(size: Floats) -> list[int]:
    """Fifths of size."""
    ranks = mid_ranks(size, np.ones((1, len(size))))[0]
    return [int(rank) for rank in np.minimum((ranks - 1) * STRATA // len(size), STRATA - 1)]


def residuals(score: Floats, size: Floats) -> Floats:
    """Of scores from a straight line in log10 parameters."""
    from statsmodels.regression.linear_model import OLS

    fit = OLS(score, np.column_stack([np.ones_like(size), size])).fit()
    found: Floats = np.asarray(fit.resid)
    return found


def _contrast(points: Sequence[Point], draws: int, generator: np.random.Generator) -> Contrast | None:
    inside = np.array([point.is_inside for point in points])
    if not inside.any() or inside.all():
        return None
    score, size = np.array([point.score for point in points]), columns_of_size(points)
    left = residuals(score, size)
    counts = resample_counts([point.family for point in points], draws, generator)
    near, far = counts[:, inside], counts[:, ~inside]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = near @ left[inside] / near.sum(1) - far @ left[~inside] / far.sum(1)
    return Contrast(
        n_inside=int(inside.sum()),
        n_outside=int((~inside).sum()),
        mean_inside=float(score[inside].mean()),
        mean_outside=float(score[~inside].mean()),
        difference=float(left[inside].mean() - left[~inside].mean()),
        ci_families=percentile_interval(means),
    )


def _optimum(points: Sequence[Point]) -> Optimum | None:
    """Profile the centre c of score ~ log10 params + |ln R - c|, of which scores must fall with the distance from it:
    which centres fit as well as the best one? Where scores would rise from a centre, the best fit that does not is the
    line in size alone."""
    from statsmodels.regression.linear_model import OLS

    log_r = np.array([math.log(point.r_dw) for point in points])
    low, high = float(log_r.min()), float(log_r.max())
    if len(points) < FEWEST or high - low < 1e-9:
        return None
    score, size = np.array([point.score for point in points]), columns_of_size(points)
    centres = np.linspace(low, high, CENTRES)
    line = np.column_stack([np.ones_like(size), size])
    alone = OLS(score, line).fit().llf
    fits = [OLS(score, np.column_stack([line, np.abs(log_r - c)])).fit() for c in centres]
    likelihoods = np.array([fit.llf if fit.params[2] < 0 else alone for fit in fits])
    best = int(likelihoods.argmax())
    is_close = 2 * (likelihoods[best] - likelihoods) <= CHI_SQUARE_95
    close = np.flatnonzero(is_close)
    between = np.flatnonzero(np.diff(close) > 1)
    is_narrow = 2 * (close[-1] - close[0]) <= CENTRES - 1
    return Optimum(
        best=math.exp(centres[best]),
        compatible=(math.exp(centres[close[0]]), math.exp(centres[close[-1]])),
        gaps=[(math.exp(centres[close[k] + 1]), math.exp(centres[close[k + 1] - 1])) for k in between],
        scanned=(math.exp(low), math.exp(high)),
        is_located=bool(is_narrow and close[0] > 0 and close[-1] < CENTRES - 1),
    )
