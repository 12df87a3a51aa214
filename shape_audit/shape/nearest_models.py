"""Existing models near to a shape: reference points for what nobody has trained yet."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

from shape_audit.records import ExistingModel, Interval, ModelShape, Side, SizeNeighbours
from shape_audit.shape.known_models import KnownModel, known_models
from shape_audit.shape.placement import place

FACTOR = 1.5
"""Up to which a model counts as of the same size."""


def nearest_in_params(shape: ModelShape, interval: Interval, most: int) -> list[ExistingModel]:
    """Base models of the shipped table, nearest first by the ratio of their parameters; of equal shapes the nearest."""
    return _nearest(lambda known: abs(math.log((known.params or math.inf) / shape.params_total)), interval, most)


def nearest_in_shape(shape: ModelShape, interval: Interval, most: int) -> list[ExistingModel]:
    """The same by log layers and log width, as a distance in the plane."""

    def distance(known: KnownModel) -> float:
        depth = math.log(known.num_hidden_layers / shape.num_hidden_layers)
        return math.hypot(depth, math.log(known.hidden_size / shape.hidden_size))

    return _nearest(distance, interval, most)


def size_neighbours(params: int, interval: Interval) -> SizeNeighbours:
    """Where the base models of the shipped table lie that have about so many parameters, in total."""
    ratios = [
        known.r_dw for known in _candidates() if known.params and params / FACTOR <= known.params <= params * FACTOR
    ]
    return SizeNeighbours(
        factor=FACTOR,
        n=len(ratios),
        n_inside=sum(place(ratio, interval).side == "inside" for ratio in ratios),
        r_dw_lowest=min(ratios, default=None),
        r_dw_median=statistics.median(ratios) if ratios else None,
        r_dw_highest=max(ratios, default=None),
    )


def _candidates() -> list[KnownModel]:
    return [known for known in known_models().values() if known.is_base and known.params]


def _nearest(distance: Callable[[KnownModel], float], interval: Interval, most: int) -> list[ExistingModel]:
    nearest: dict[tuple[int, int], KnownModel] = {}
    for known in sorted(_candidates(), key=lambda known: (distance(known), bool(known.derived_from), known.repo_id)):
        nearest.setdefault((known.num_hidden_layers, known.hidden_size), known)
    return [
        ExistingModel(
            repo_id=known.repo_id,
            num_hidden_layers=known.num_hidden_layers,
            hidden_size=known.hidden_size,
            r_dw=known.r_dw,
            params_total=round(known.params or 0),
            side=_side(known, interval),
        )
        for known in list(nearest.values())[:most]
    ]


def _side(known: KnownModel, interval: Interval) -> Side:
    side = place(known.r_dw, interval).side
    assert side is not None  # only models that are not dense have none
    return side
