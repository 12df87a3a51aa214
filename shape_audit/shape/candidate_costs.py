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
    cost_band,
    loss_excess,
    relative_training_time,
    shape_costs,
    shipped_yardstick,
)

MOST_COST = 0.01
"""Of the shapes that are searched where no interval is named."""
STEP = 0.001
"""Costs that differ by less are one cost: the law itself leaves .2 %."""
CACHE_BYTES = 2


@dataclass(frozen=True)
class Costed:
    """A candidate with what it costs.

    Attributes:
        at_tokens, at_time: loss over the best shape's, less 1, at equal tokens and at equal training time.
        time: to train on equal tokens; only ratios mean anything.
        cache: bytes a token.
    """

    candidate: Candidate
    at_tokens: float
    at_time: float
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
    name = f"costs at most {100 * MOST_COST:g} % of loss by {yardstick.name}"
    return Interval(name=name, low=band.low, high=band.high, source=yardstick.source)


def searched_caveat() -> str:
    """What the yardstick cannot tell, in one clause."""
    return shipped_yardstick(DEFAULT_YARDSTICK).doubts[0]


def costed(family: Family, candidates: Sequence[Candidate], basis: Basis) -> list[Costed]:
    """Every candidate with its costs, in the given order."""
    yardstick = shipped_yardstick(DEFAULT_YARDSTICK)
    return [_costed(family, candidate, yardstick, basis) for candidate in candidates]


def _costed(family: Family, candidate: Candidate, yardstick: Yardstick, basis: Basis) -> Costed:
    sizes, counted = candidate.sizes, _counted(family, candidate.sizes)
    return Costed(
        candidate=candidate,
        at_tokens=loss_excess(yardstick, counted, basis, "tokens"),
        at_time=loss_excess(yardstick, counted, basis, "training-time"),
        time=relative_training_time(yardstick, sizes.num_hidden_layers / sizes.hidden_size, basis),
        cache=2 * sizes.num_hidden_layers * sizes.num_key_value_heads * sizes.head_dim * CACHE_BYTES,
    )


def intervals_of(family: Family, sizes: Sizes, basis: Basis) -> list[ShapeCost]:
    """The costs of one shape in full, on one basis."""
    costs = shape_costs(shipped_yardstick(DEFAULT_YARDSTICK), _counted(family, sizes))
    return [cost for cost in costs if cost.basis == basis]


def _counted(family: Family, sizes: Sizes) -> _Counted:
    ledger = family.ledger(sizes)
    total = sum(ledger.model_dump().values())
    return _Counted(sizes.num_hidden_layers, sizes.hidden_size, total, total - ledger.embedding - ledger.unembedding)


def ordered(found: Sequence[Costed], goal: Goal) -> list[Costed]:
    """By the goal, then by the sizes that hardware dislikes, then by the miss of the budget."""

    def key(one: Costed) -> tuple[float, tuple[int, float]]:
        if goal == "decoding":
            return one.candidate.sizes.num_hidden_layers, one.candidate.rank
        return round((one.at_tokens if goal == "tokens" else one.at_time) / STEP), one.candidate.rank

    return sorted(found, key=key)


def efficient(found: Sequence[Costed]) -> list[bool]:
    """Of each, whether none of the others trains faster and costs less at equal tokens."""
    return [
        not any(
            other.time <= one.time
            and other.at_tokens <= one.at_tokens
            and (other.time, other.at_tokens) != (one.time, one.at_tokens)
            for other in found
        )
        for one in found
    ]
