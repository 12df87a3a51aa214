"""Searching the shapes of a family inside an interval for those that hit a parameter budget.

Widths are multiples of 64 that the head dimension divides. At one width and feed-forward width the count is linear in
the depth, so that the best depth is a division; of each width the best shape is kept. Where the usual feed-forward
width hits the budget at no width, others are tried, see `_feed_forward_widths`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from shape_audit.records import Interval
from shape_audit.shape.hardware_sizes import LARGE_TILE, TILE, unsplit
from shape_audit.shape.known_models import feed_forward_range
from shape_audit.shape.model_families import Family, Sizes

WIDEST, DEEPEST = 32_768, 4_096
"""Beyond both of any model there is; they bound the search."""
OFF_USUAL = 0.25
"""How far a feed-forward width may be off the usual one, as a fraction of it, where the usual one does not do."""
MOST_TRIED = 16
"""Or a few more: feed-forward widths of one width. Large models have depths enough to hit a budget."""


@dataclass(frozen=True)
class Request:
    """What is searched for.

    Attributes:
        budget: parameters, embedding and unembedding left out where `non_embedding`.
        head_dims: those that may be, the first preferred.
    """

    family: Family
    budget: int
    non_embedding: bool
    interval: Interval
    vocab_size: int
    tied: bool
    head_dims: tuple[int, ...]
    tolerance: float


@dataclass(frozen=True)
class Candidate:
    """A shape of the search, with the parameters it has of the kind the budget bounds."""

    sizes: Sizes
    params: int
    miss: float

    @cached_property
    def hardware(self) -> list[str]:
        """What hardware dislikes about the sizes; all else that `check` asks for holds for every candidate."""
        heads, width = self.sizes.num_attention_heads, self.sizes.hidden_size
        remarks = []
        if degrees := unsplit(heads):
            some = " or ".join(str(degree) for degree in degrees)
            plural = "heads do" if heads != 1 else "head does"
            remarks.append(f"{heads} {plural} not split into {some} equal parts (tensor parallelism)")
        if width % LARGE_TILE:
            remarks.append(f"hidden_size = {width} is no multiple of {LARGE_TILE}")
        return remarks

    @property
    def rank(self) -> tuple[int, float]:
        """First what is disliked, each degree of tensor parallelism for itself, then the miss."""
        off = self.sizes.hidden_size % LARGE_TILE != 0
        return len(unsplit(self.sizes.num_attention_heads)) + off, abs(self.miss)


def search(request: Request) -> list[Candidate]:
    """The best shape of each width, ranked: those within the tolerance, else the nearest one beyond it.

    Returns:
        Nothing where the interval holds no depth at any width.
    """
    nearest: list[Candidate] = []
    for usual_only in (True, False):
        every = list(_candidates(request, usual_only=usual_only))
        hits = [candidate for candidate in every if abs(candidate.miss) <= request.tolerance]
        if hits:
            best: dict[int, Candidate] = {}
            for candidate in sorted(hits, key=lambda candidate: _preference(request, candidate)):
                best.setdefault(candidate.sizes.hidden_size, candidate)
            return sorted(best.values(), key=lambda candidate: candidate.rank)
        nearest += every
    return sorted(nearest, key=lambda candidate: abs(math.log(candidate.params / request.budget)))[:1]


def _preference(request: Request, candidate: Candidate) -> tuple[int, int, float]:
    """Of the shapes of one width: hardware first, then the family's order of head dimensions, then the miss."""
    disliked, miss = candidate.rank
    return disliked, request.head_dims.index(candidate.sizes.head_dim), miss


def _candidates(request: Request, *, usual_only: bool) -> Iterator[Candidate]:
    """For each head dimension and width, the shape that hits the budget best, up to the width that exceeds it."""
    for head_dim in request.head_dims:
        step = math.lcm(TILE, head_dim)
        for width in range(step, WIDEST + 1, step):
            depths = _depths(width, request.interval)
            if not depths:
                continue
            feed_forwards = _feed_forward_widths(request.family, width, usual_only=usual_only)
            smallest, largest = (
                _sizes(request, width, head_dim, size) for size in (feed_forwards[0], feed_forwards[-1])
            )
            least, most = _best_depth(request, smallest, depths[:1]), _best_depth(request, largest, depths[-1:])
            if request.budget <= least.params or most.params <= request.budget:
                yield min(least, most, key=lambda found: abs(found.params - request.budget))
            else:
                every = (_best_depth(request, _sizes(request, width, head_dim, size), depths) for size in feed_forwards)
                yield min(every, key=lambda found: abs(found.miss))
            if least.params > request.budget * 2:
                break  # wider ones have more parameters at any depth that the interval allows


def _depths(width: int, interval: Interval) -> range:
    """The whole numbers of layers that the interval allows at a width, its ends included; none may be."""
    fewest, most = 1, DEEPEST
    if (low := interval.low) is not None:
        near = max(1, math.ceil(low * width) - 1)  # the product is rounded, and so may be one off
        fewest = next((depth for depth in range(near, near + 3) if depth / width >= low), near + 3)
    if (high := interval.high) is not None:
        near = min(DEEPEST, math.floor(high * width) + 1)
        most = next((depth for depth in range(near, near - 3, -1) if depth / width <= high), near - 3)
    return range(fewest, most + 1)


def _feed_forward_widths(family: Family, width: int, *, usual_only: bool) -> Sequence[int]:
    """The usual width, or multiples of 64 near it, as far as known models of the type go in proportion."""
    usual = family.usual_feed_forward(width)
    if usual_only:
        return [usual]
    low, high = feed_forward_range(family.model_type) or (0, math.inf)
    fewest = math.ceil(max((1 - OFF_USUAL) * usual, low * width) / TILE)
    most = math.floor(min((1 + OFF_USUAL) * usual, high * width) / TILE)
    tiles = range(fewest, most + 1, max(1, (most - fewest) // MOST_TRIED))
    return [tile * TILE for tile in tiles] or [usual]


def _sizes(request: Request, width: int, head_dim: int, feed_forward: int) -> Sizes:
    heads = width // head_dim
    return Sizes(
        num_hidden_layers=1,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_attention_heads=heads,
        num_key_value_heads=request.family.usual_key_value_heads(heads),
        head_dim=head_dim,
        vocab_size=request.vocab_size,
        max_position_embeddings=request.family.max_position_embeddings,
        tie_word_embeddings=request.tied,
    )


def _best_depth(request: Request, sizes: Sizes, depths: range) -> Candidate:
    """The depth of a range that hits the budget best."""
    outside, block = request.family.linear_count(sizes, non_embedding=request.non_embedding)
    near = (request.budget - outside) // block
    params, depth = min(
        ((outside + depth * block, depth) for depth in {min(max(near + up, depths[0]), depths[-1]) for up in (0, 1)}),
        key=lambda found: (abs(found[0] - request.budget), found[1]),
    )
    miss = (params - request.budget) / request.budget
    return Candidate(replace(sizes, num_hidden_layers=depth), params, miss)
