"""What the shapes of a search cost by the yardstick: their order, and the front of loss against training time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shape_audit.records import Basis, Goal, Interval, ShapeCost
from shape_audit.shape.model_families import Family, Sizes
from shape_audit.shape.shape_search import Candidate
from shape_audit.yardsticks import (
    DEFAULT_YARDSTICK,
    Yardstick,
    are_told_apart,
    cost_band,
    relative_training_time,
    shape_costs,
    shipped_yardstick,
)

MOST_COST = 0.01
"""Of the shapes that are searched where no interval is named."""
CACHE_BYTES = 2


@dataclass(frozen=True)
class Costed:
    """A candidate with what it costs.

    Attributes:
        at_tokens, at_time: loss over the best shape's, at equal tokens and at equal training time.
        time: to train on equal tokens; only ratios mean anything.
        cache: bytes a token.
    """

    candidate: Candidate
    at_tokens: ShapeCost
    at_time: ShapeCost
    time: float
    cache: int


@dataclass(frozen=True)
class _Counted:
    """The sizes a cost is worked out from."""

    num_hidden_layers: int
    hidden_size: int
    params_total: int
    params_non_embedding: int


def searched_interval() -> Interval:
    """The shapes that cost no more than `MOST_COST`."""
    yardstick = shipped_yardstick(DEFAULT_YARDSTICK)
    band = cost_band(yardstick, MOST_COST)
    name = f"costs at most {100 * MOST_COST:g} % of loss at equal {yardstick.basis} parameters, by {yardstick.name}"
    return Interval(name=name, low=band.low, high=band.high, source=yardstick.source)


def searched_caveat() -> str:
    """What the yardstick cannot tell, in one clause."""
    return shipped_yardstick(DEFAULT_YARDSTICK).doubts[0]


def costed(family: Family, candidates: Sequence[Candidate], basis: Basis) -> list[Costed]:
    """Every candidate with its costs, in the given order."""
    yardstick = shipped_yardstick(DEFAULT_YARDSTICK)
    return [_costed(family, candidate, yardstick, basis) for candidate in candidates]


def _costed(family: Family, candidate: Candidate, yardstick: Yardstick, basis: Basis) -> Costed:
    sizes = candidate.sizes
    costs = {cost.price: cost for cost in shape_costs(yardstick, _counted(family, sizes), basis=basis)}
    return Costed(
        candidate=candidate,
        at_tokens=costs["tokens"],
        at_time=costs["training-time"],
        time=relative_training_time(yardstick, sizes.num_hidden_layers / sizes.hidden_size, basis),
        cache=2 * sizes.num_hidden_layers * sizes.num_key_value_heads * sizes.head_dim * CACHE_BYTES,
    )


def _counted(family: Family, sizes: Sizes) -> _Counted:
    ledger = family.ledger(sizes)
    total = sum(ledger.model_dump().values())
    return _Counted(sizes.num_hidden_layers, sizes.hidden_size, total, total - ledger.embedding - ledger.unembedding)


def ordered(found: Sequence[Costed], goal: Goal) -> tuple[list[Costed], int]:
    """By the goal, then by the sizes that hardware dislikes, then by the miss of the budget.

    Costs that cannot be told from the lowest are ties, since one seed a shape decides between them: of these the
    fastest to train comes first.

    Returns:
        The candidates, and how many of the first are such ties.
    """
    if goal == "decoding":
        return sorted(found, key=lambda one: (one.candidate.sizes.num_hidden_layers, one.candidate.rank)), 0

    def cost_of(one: Costed) -> ShapeCost:
        return one.at_tokens if goal == "tokens" else one.at_time

    lowest = cost_of(min(found, key=lambda one: cost_of(one).loss_excess))
    tied = [one for one in found if not are_told_apart(cost_of(one), lowest)]
    others = [one for one in found if are_told_apart(cost_of(one), lowest)]
    tied.sort(key=lambda one: (one.time, one.candidate.rank))
    others.sort(key=lambda one: (cost_of(one).loss_excess, one.candidate.rank))
    return tied + others, len(tied)


def efficient(found: Sequence[Costed]) -> list[bool]:
    """Of each, whether none of the others trains faster and costs less at equal tokens."""
    points = [(one.time, one.at_tokens.loss_excess) for one in found]
    return [
        not any(time <= own_time and cost <= own_cost and (time, cost) != (own_time, own_cost) for time, cost in points)
        for own_time, own_cost in points
    ]
