"""Shapes inside an interval for a number of parameters, and the existing models nearest to them."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from shape_audit.records.frozen import Frozen
from shape_audit.records.shape_cost import ShapeCost
from shape_audit.records.shape_facts import Interval, ModelShape, Side

Counted = Literal["total", "non-embedding"]
Goal = Literal["tokens", "training-time", "decoding"]
"""What shapes are ordered by: loss at equal training tokens, loss at equal training time, or blocks in a row."""


class SuggestedShape(Frozen):
    """One shape that hits the budget."""

    rank: int
    """From 1, in the order that `ShapeSuggestion.ranking` states."""
    shape: ModelShape
    miss: float
    """(parameters - budget) / budget, of the parameters that were asked for."""
    costs: list[ShapeCost]
    """At equal parameters of the kind the budget bounds: at equal tokens, and at equal training time."""
    training_time: float
    """For equal tokens, over that of the fastest of all shapes found; by the yardstick's elasticity."""
    is_efficient: bool
    """Whether no other shape found trains faster and costs less: it is on the front of loss against time."""
    kv_cache_bytes_per_token: int
    """In a 16-bit type."""
    hardware: list[str]
    """What hardware dislikes about its sizes, in words; as `check` judges, and a width that is no multiple of 128."""
    config: dict[str, JsonValue]
    """The content of its config.json."""


class ExistingModel(Frozen):
    """A model of the shipped table."""

    repo_id: str
    num_hidden_layers: int
    hidden_size: int
    r_dw: float
    params_total: int
    side: Side
    """Where it stands against the interval of the suggestion."""


class SizeNeighbours(Frozen):
    """Base models of the shipped table whose parameters are within a factor of those of the first shape."""

    factor: float
    n: int
    n_inside: int
    """Of them, inside the interval."""
    r_dw_lowest: float | None
    r_dw_median: float | None
    r_dw_highest: float | None
    """None where there are none."""


class ShapeSuggestion(Frozen):
    """Shapes for a budget, ranked by what they cost."""

    family: str
    params: int
    """The budget."""
    counted: Counted
    """Which parameters it bounds."""
    tolerance: float
    """How far a shape may miss it, as a fraction of it."""
    goal: Goal
    interval: Interval
    caveat: str
    """What the interval was derived from, in one clause that every report repeats."""
    ranking: str
    """What the order means, and what it does not."""
    found: int
    """Shapes that hit the budget, one a width; `shapes` holds the first of them."""
    shapes: list[SuggestedShape]
    size_neighbours: SizeNeighbours
    nearest_in_params: list[ExistingModel]
    """By the ratio to the parameters of the first shape, one a shape."""
    nearest_in_shape: list[ExistingModel]
    """By layers and width, as logarithms, to those of the first shape, one a shape."""
    notes: list[str]
