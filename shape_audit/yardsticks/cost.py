"""The cost of a shape by a yardstick: ln(loss / the best shape's loss), at equal parameters and equal tokens or time.

With x = ln R_D/W, every question has the form: minimise c (x - ln a*)^2 + g(x). At equal non-embedding parameters and
tokens g is 0. Three things shift the best shape, and each is a term of g:

- equal total parameters: an embedding of fixed rows takes its parameters from the blocks, the more the wider the shape;
- equal training time: deep shapes train slower, time ~ R^e, so they see fewer tokens: g = e x (-d ln L / d ln D);
- both.

Intervals are percentiles over the yardstick's resamples of sign(x - best) sqrt(cost), whose sign tells on which side of
the best shape one stands: where it may be either, the cost may be 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from shape_audit.records import Band, Basis, Price, ShapeCost
from shape_audit.yardsticks.yardstick import Draw, Yardstick

USUAL_TOKENS = 1e11
"""At which training time is compared where nobody knows the tokens of a model."""
STEP = 1e-3
"""In ln R_D/W, of numeric derivatives: g is smooth over whole units."""
SIMILAR = 3.0
"""Groups of a sweep within this factor of a model's parameters say which of its shapes were tested."""


class Sized(Protocol):
    """What is asked of a shape; `records.ModelShape` has it."""

    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def params_total(self) -> int: ...
    @property
    def params_non_embedding(self) -> int: ...


def shape_costs(
    yardstick: Yardstick, shape: Sized, *, tokens: float | None = None, basis: Basis | None = None
) -> list[ShapeCost]:
    """The costs that a yardstick can tell, each basis with each price.

    Args:
        shape: of a dense model.
        tokens: it was trained on, where that is known: training time is compared there, or at the nearest number of
            tokens that the yardstick's models have seen.
        basis: only the costs of this one.
    """
    bases: tuple[Basis, ...] = ("non-embedding", "total") if yardstick.size else (yardstick.basis,)
    bases = tuple(one for one in bases if basis in (None, one))
    prices: tuple[Price, ...] = ("tokens", "training-time") if yardstick.has_times else ("tokens",)
    return [_Question(yardstick, shape, basis, price, tokens).answer() for basis in bases for price in prices]


def cost_band(yardstick: Yardstick, excess: float) -> Band:
    """The shapes that cost no more than so much, by the law: at equal parameters of its basis, and equal tokens."""
    best, half = yardstick.fitted.log_best, math.sqrt(math.log1p(excess) / yardstick.fitted.c)
    return Band(loss_excess=excess, low=math.exp(best - half), high=math.exp(best + half))


def law_cost(yardstick: Yardstick, r_dw: float) -> tuple[float, tuple[float, float] | None]:
    """The cost and its interval by the law alone: at equal parameters of its basis, and equal tokens."""
    x = math.log(r_dw)
    roots = [math.sqrt(draw.c) * (x - draw.log_best) for draw in yardstick.draws]
    return math.expm1(_parabola(yardstick.fitted, x)), _squared(_ends(roots))


def are_told_apart(cost: ShapeCost, other: ShapeCost) -> bool:
    """Whether their 95 % intervals do not overlap."""
    ends, others = cost.loss_excess_ci, other.loss_excess_ci
    if ends is None or others is None:
        return cost.loss_excess != other.loss_excess
    return ends[1] < others[0] or others[1] < ends[0]


def relative_training_time(yardstick: Yardstick, r_dw: float, basis: Basis) -> float:
    """Time to train on equal tokens, over that of a shape of R_D/W 1: only ratios of it mean anything."""
    fitted = yardstick.fitted
    return float(r_dw ** (fitted.elasticity if basis == "non-embedding" else fitted.elasticity_total))


def best_r_dw_at_total(yardstick: Yardstick, params: float, per_width: float, block: float) -> float:
    """The best shape of so many total parameters.

    Args:
        per_width: embedding parameters of each channel: rows of the embedding, and of an output matrix of its own.
        block: parameters of a block, over the square of the width.
    """
    level = _embedding_level(yardstick, params, per_width, block)
    return math.exp(_lowest(yardstick.fitted, level))


class _Question:
    """One shape, one basis, one price."""

    def __init__(self, yardstick: Yardstick, shape: Sized, basis: Basis, price: Price, tokens: float | None) -> None:
        self._yardstick, self._shape, self._basis, self._price = yardstick, shape, basis, price
        self._known_tokens, self._tokens = tokens, None
        self._time_weight = 0.0
        if price == "training-time" and yardstick.size is not None:
            low, high = yardstick.size.tokens_range
            self._tokens = min(max(tokens or USUAL_TOKENS, low), high)
            self._time_weight = yardstick.size.tokens_slope(shape.params_non_embedding, self._tokens)

        self._x = math.log(shape.num_hidden_layers / shape.hidden_size)
        self._level = self._level_over_x()

    def lowest(self) -> tuple[float, float]:
        """(ln R_D/W of the best shape, ln loss of this one over the best's)."""
        fitted = self._yardstick.fitted
        weight = self._elasticity(fitted) * self._time_weight

        def whole(at: float) -> float:
            return self._level(at) + weight * at

        best = _lowest(fitted, whole)
        cost = _parabola(fitted, self._x) + whole(self._x) - _parabola(fitted, best) - whole(best)
        return best, max(cost, 0.0)

    def answer(self) -> ShapeCost:
        x, level, draws = self._x, self._level, self._yardstick.draws
        best, cost = self.lowest()
        slope = (level(best + STEP) - level(best - STEP)) / (2 * STEP)
        bend = (level(best + STEP) - 2 * level(best) + level(best - STEP)) / STEP**2
        above = level(x) - level(best)
        roots, bests = [], []
        for draw in draws:
            weight = self._elasticity(draw) * self._time_weight
            move = -(2 * draw.c * (best - draw.log_best) + slope + weight) / (2 * draw.c + bend)
            lowest = best + move
            raised = above - slope * move - bend / 2 * move * move + weight * (x - lowest)
            of_draw = _parabola(draw, x) - _parabola(draw, lowest) + raised
            roots.append(math.copysign(math.sqrt(max(of_draw, 0.0)), x - lowest))
            bests.append(lowest)
        excess = math.expm1(cost)
        low, high = _ends(bests) or (None, None)
        return ShapeCost.model_construct(  # every value is of its type: checking would cost a start more than the rest
            yardstick=self._yardstick.name,
            description=self._yardstick.description,
            basis=self._basis,
            price=self._price,
            loss_excess=excess,
            loss_excess_ci=_squared(_ends(roots)),
            best_r_dw=math.exp(best),
            best_r_dw_ci=(math.exp(low), math.exp(high)) if low is not None and high is not None else None,
            equivalent_params_fraction=self._equivalent(excess),
            tokens=self._tokens,
            extrapolates=self._extrapolates(),
        )

    def _level_over_x(self) -> Callable[[float], float]:
        """ln loss over x that the size brings."""
        shape = self._shape
        if self._basis == self._yardstick.basis:
            return lambda x: 0.0
        embedding = (shape.params_total - shape.params_non_embedding) / shape.hidden_size
        block = shape.params_non_embedding / (shape.num_hidden_layers * shape.hidden_size**2)
        return _embedding_level(self._yardstick, shape.params_total, embedding, block)

    def _elasticity(self, draw: Draw) -> float:
        return draw.elasticity if self._basis == "non-embedding" else draw.elasticity_total

    def _equivalent(self, excess: float) -> float | None:
        """By the slope of the loss over the size where the model stands."""
        if self._yardstick.size is None:
            return None
        slope = self._yardstick.size.params_slope(self._shape.params_non_embedding)
        return 1 - math.exp(math.log1p(excess) / slope) if slope < 0 else None

    def _extrapolates(self) -> list[str]:
        yardstick, shape = self._yardstick, self._shape
        params = shape.params_non_embedding if yardstick.basis == "non-embedding" else shape.params_total
        low, high = yardstick.params_range
        r_dw = shape.num_hidden_layers / shape.hidden_size
        distances = [(abs(math.log(group.params / params)), group.r_dw) for group in yardstick.groups]
        nearest = min(distances)[0]
        near = [ends for away, ends in distances if away <= max(nearest, math.log(SIMILAR))]
        reach = None if self._price == "tokens" else yardstick.size and yardstick.size.tokens_range
        seen = reach or yardstick.tokens_range
        beyond = {
            "params": not low * 0.9 <= params <= high * 1.1,
            "r_dw": not min(ends[0] for ends in near) * 0.99 <= r_dw <= max(ends[1] for ends in near) * 1.01,
            "tokens": bool(self._known_tokens and seen and not seen[0] * 0.9 <= self._known_tokens <= seen[1] * 1.1),
        }
        return [name for name, is_beyond in beyond.items() if is_beyond]


def _embedding_level(yardstick: Yardstick, params: float, per_width: float, block: float) -> Callable[[float], float]:
    """ln loss over x of the shapes of so many total parameters, by what the embedding leaves to the blocks."""
    size = yardstick.size
    assert size is not None

    def level(x: float) -> float:
        cubic = block * math.exp(x)  # layers = e^x width, so that the blocks hold block e^x width^3
        width = (params / cubic) ** (1 / 3)
        for _ in range(60):
            step = (cubic * width**3 + per_width * width - params) / (3 * cubic * width**2 + per_width)
            width -= step
            if abs(step) < 1e-10 * width:
                break
        return size.level(cubic * width**3)

    return level


def _parabola(draw: Draw, x: float) -> float:
    return draw.c * (x - draw.log_best) ** 2


def _lowest(draw: Draw, level: Callable[[float], float]) -> float:
    """Where parabola and level together are lowest, by golden section over the shapes one could build."""
    low, high, golden = math.log(1e-5), math.log(10.0), (math.sqrt(5) - 1) / 2

    def total(x: float) -> float:
        return _parabola(draw, x) + level(x)

    left, right = high - golden * (high - low), low + golden * (high - low)
    of_left, of_right = total(left), total(right)
    while high - low > 1e-7:
        if of_left < of_right:
            high, right, of_right = right, left, of_left
            left = high - golden * (high - low)
            of_left = total(left)
        else:
            low, left, of_left = left, right, of_right
            right = low + golden * (high - low)
            of_right = total(right)
    return (low + high) / 2


def _ends(values: Sequence[float]) -> tuple[float, float] | None:
    """The middle 95 %, by linear interpolation; None of no values."""
    if not values:
        return None
    ordered = sorted(values)

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])

    return at(0.025), at(0.975)


def _squared(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    """The interval of the cost, from that of its signed root."""
    if ends is None:
        return None
    low, high = sorted(abs(end) for end in ends)
    return (0.0 if ends[0] <= 0 <= ends[1] else math.expm1(low * low)), math.expm1(high * high)
