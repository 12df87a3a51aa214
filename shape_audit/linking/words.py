"""Evidence in words, by thresholds that are stated here and nowhere else.

supported: log-distance to the interval goes with lower scores given size, its interval by family and by shape both
lying below 0, and models inside score higher given size, that interval above 0.
not enough data: fewer than 20 models, or fewer than 5 on either side of the interval's ends.
not supported: everything else.

Of models trained alike, each claim for itself:
loss supported: ln loss over ln R_D/W bends upwards at equal size, its interval above 0, and the interval of the best
R_D/W lies within what was trained.
benchmarks supported: accuracy rises with ln R_D/W at equal size, its interval above 0.
not supported: everything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from shape_audit.records import (
    Association,
    BestAtEqualSize,
    Contrast,
    Effect,
    Interval,
    Optimum,
    Predictor,
    SuiteBudget,
)

FEWEST_MODELS = 20
FEWEST_A_SIDE = 5

SUPPORTED, NOT_SUPPORTED, TOO_FEW = "supported", "not supported", "not enough data"


def nothing_to_link(n_models: int, protocol: str, left_out: Sequence[str]) -> str:
    """Why there is no evidence."""
    why = f" (left out: {'; '.join(left_out)})" if left_out else ""
    return f"{n_models} models with a score of {protocol} are left; there is nothing to link{why}"


def verdict(predictors: Sequence[Predictor], contrast: Contrast | None, n_models: int) -> str:
    """Whether models near the interval do better, given their size."""
    if n_models < FEWEST_MODELS or contrast is None or min(contrast.n_inside, contrast.n_outside) < FEWEST_A_SIDE:
        return TOO_FEW
    distance = given_size(predictors, "log_distance")
    if distance is None:
        return TOO_FEW
    ends = [distance.ci_families, distance.ci_shapes]
    falls = all(interval is not None and interval[1] < 0 for interval in ends)
    higher = contrast.ci_families is not None and contrast.ci_families[0] > 0
    return SUPPORTED if falls and higher else NOT_SUPPORTED


def given_size(predictors: Sequence[Predictor], name: str) -> Association | None:
    """The association of a quantity given parameters."""
    for predictor in predictors:
        if predictor.name == name:
            return next((one for one in predictor.associations if one.given == ["params"]), None)
    return None


def summary(
    predictors: Sequence[Predictor],
    contrast: Contrast | None,
    optimum: Optimum | None,
    *,
    interval: Interval,
    n_models: int,
    n_inside: int,
) -> str:
    """One paragraph: the verdict, the numbers it rests on, and what confounds them."""
    found = verdict(predictors, contrast, n_models)
    parts = [f"That models inside the interval ({interval.name}) score higher given their size is {found}."]
    if found == TOO_FEW:
        short, other = sorted([(n_inside, "inside"), (n_models - n_inside, "outside")])
        few = (
            f"{n_models} models"
            if n_models < FEWEST_MODELS
            else f"{short[0]} models {short[1]} ({other[0]} {other[1]})"
        )
        parts[0] = f"{few} are not enough to say whether models inside the interval ({interval.name}) score higher."
    distance = given_size(predictors, "log_distance")
    if distance is not None and distance.rho is not None:
        parts.append(
            f"Given parameters, the score's rank correlation with the distance to the interval is {distance.rho:+.2f} "
            f"({_ends(distance.ci_models)} over models, {_ends(distance.ci_families)} over families, "
            f"{_ends(distance.ci_shapes)} over shapes)."
        )
    if contrast is not None and contrast.difference is not None:
        parts.append(
            f"The {contrast.n_inside} models inside score {100 * contrast.difference:+.1f} points given size "
            f"({_ends(contrast.ci_families, 100, 1)} over families) against the {contrast.n_outside} outside; raw "
            f"means are {100 * contrast.mean_inside:.1f} and {100 * contrast.mean_outside:.1f} %."
        )
    ratio = given_size(predictors, "r_dw")
    if ratio is not None and ratio.rho is not None:
        parts.append(_direction(ratio))
    if optimum is not None:
        parts.append(_best(optimum))
    parts.append(
        "Training data, its amount and the recipe differ between families and go along with shape; a correlation "
        "across published models cannot tell them apart."
    )
    return " ".join(parts)


def _best(optimum: Optimum) -> str:
    """Where scores given size may peak."""
    but = " and ".join(f"{low:.4f} to {high:.4f}" for low, high in optimum.gaps)
    return (
        f"A best R_D/W is {'located' if optimum.is_located else 'not located'}: peaks from {optimum.compatible[0]:.4f} "
        f"to {optimum.compatible[1]:.4f}{f', but for {but},' if but else ''} of {optimum.scanned[0]:.4f} to "
        f"{optimum.scanned[1]:.4f} fit as well as any."
    )


def _direction(ratio: Association) -> str:
    ends = [one for one in (ratio.ci_families, ratio.ci_shapes) if one is not None]
    is_clear = bool(ends) and (all(low > 0 for low, _ in ends) or all(high < 0 for _, high in ends))
    word = "deeper" if (ratio.rho or 0) > 0 else "wider"
    if is_clear:
        said = f"Of R_D/W itself, {word} models of a size score higher"
    else:
        said = f"For R_D/W itself no direction is clear (at most, {word} is better)"
    return f"{said}: {ratio.rho:+.2f} ({_ends(ratio.ci_families)} over families, {_ends(ratio.ci_shapes)} over shapes)."


def _ends(interval: tuple[float, float] | None, scale: float = 1, digits: int = 2) -> str:
    if interval is None:
        return "no interval"
    return f"{scale * interval[0]:+.{digits}f} to {scale * interval[1]:+.{digits}f}"


def loss_verdict(best: BestAtEqualSize) -> str:
    """Whether models of one size and recipe lose less at some R_D/W than on either side of it."""
    is_within = best.r_dw_ci is not None and best.scanned[0] < best.r_dw_ci[0] and best.r_dw_ci[1] < best.scanned[1]
    return SUPPORTED if best.curvature_ci[0] > 0 and is_within else NOT_SUPPORTED


def loss_in_words(best: BestAtEqualSize, *, n_models: int, tokens: float) -> str:
    """One paragraph: the grade, and where the lowest loss lies."""
    ends = f" ({best.r_dw_ci[0]:.4f} to {best.r_dw_ci[1]:.4f})" if best.r_dw_ci else ""
    return (
        f"That shape changes the loss of models of one size is {loss_verdict(best)}: {n_models} models trained alike "
        f"on {tokens / 1e9:.0f}B tokens, one run per shape, with R_D/W from {best.scanned[0]:.4f} to "
        f"{best.scanned[1]:.4f}. At equal non-embedding parameters the loss is lowest at {best.r_dw:.4f}{ends}, and "
        f"ln loss rises by {best.curvature:.4f} ({best.curvature_ci[0]:.4f} to {best.curvature_ci[1]:.4f}) times the "
        "squared distance from there in ln R_D/W."
    )


def benchmark_verdict(given_size: Effect) -> str:
    """Whether deeper models of one size and recipe answer more questions right."""
    return SUPPORTED if given_size.ci[0] > 0 else NOT_SUPPORTED


def benchmarks_in_words(budgets: Sequence[SuiteBudget], effects: Sequence[Effect], *, tasks: int) -> str:
    """One paragraph: the grade, what depth is worth at equal size, and what is left of it given the loss."""
    at_size, _, of_large, of_all = effects
    deepest = ", ".join(f"{max(shape.r_dw for shape in budget.shapes):.3f} at {budget.name}" for budget in budgets[-3:])
    return (
        f"That deeper models of one size answer more questions right is {benchmark_verdict(at_size)}, up to the "
        f"deepest that were trained ({deepest}). At equal size, over the {at_size.n} models from 500M up, accuracy "
        f"above guessing (mean of {tasks} benchmarks) changes by {_points(at_size)} for each unit of ln R_D/W, a "
        f"factor of 2.7. {_given_the_loss(of_large, of_all)}"
    )


def _given_the_loss(of_large: Effect, of_all: Effect) -> str:
    """What a test of shape at equal loss shows, and what it cannot: no effect seen is not the same as no effect."""
    tested = (
        f"At equal loss it changes by {_points(of_large)} over those {of_large.n}, and by {_points(of_all)} over all "
        f"{of_all.n} models, the small ones near guessing included"
    )
    if of_large.ci[0] > 0 or of_all.ci[0] > 0:
        return f"{tested}: shape adds to what the loss tells."
    if of_large.ci[1] < 0 or of_all.ci[1] < 0:
        return f"{tested}: deeper models answer fewer right than their loss tells."
    return (
        f"{tested}. Neither differs from 0 by more than chance: no effect of shape is seen beyond that on the loss. So "
        f"few models cannot rule out an effect of up to {max(of_large.ci[1], of_all.ci[1]):.1f} points."
    )


def _points(effect: Effect) -> str:
    """Points with their standard error and interval."""
    return f"{effect.points:+.2f} ± {effect.stderr:.2f} points (95 %: {effect.ci[0]:+.2f} to {effect.ci[1]:+.2f})"
