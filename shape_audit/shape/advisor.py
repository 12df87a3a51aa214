"""Shapes for a number of parameters, and what they cost: what `suggest` gives."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from shape_audit.errors import UsageError
from shape_audit.interval import read_interval
from shape_audit.records import Basis, Counted, Goal, Interval, ModelShape, ShapeSuggestion, SuggestedShape
from shape_audit.shape.candidate_costs import (
    Costed,
    costed,
    efficient,
    ordered,
    searched_caveat,
    searched_interval,
)
from shape_audit.shape.hardware_sizes import TILE, next_multiple
from shape_audit.shape.model_families import Family, family_named
from shape_audit.shape.nearest_models import nearest_in_params, nearest_in_shape, size_neighbours
from shape_audit.shape.options import SuggestOptions
from shape_audit.shape.parameter_budget import parse_budget
from shape_audit.shape.placement import place
from shape_audit.shape.shape_search import DEEPEST, WIDEST, Candidate, Request, search

EXISTING = 4
"""Reference models of each kind."""
BY_GOAL = {
    "tokens": "by loss at equal {counted} parameters and training tokens",
    "training-time": "by loss at equal {counted} parameters and training time",
    "decoding": "by the blocks that a token goes through in sequence, fewest first, then by the sizes that hardware "
    "dislikes, fewest first, then by the smallest miss of the budget",
}
TIES = (
    "; the costs of the first {tied} cannot be told apart (their 95 % intervals reach into that of the lowest), so "
    "these stand in order of training time, fastest first"
)
BASES: dict[Counted, Basis] = {"total": "total", "non-embedding": "non-embedding"}


def suggest(params: str | int | float, options: SuggestOptions | None = None, **changes: Any) -> ShapeSuggestion:
    """Shapes of a family that have so many parameters, ranked by what they cost.

        suggestion = shape_audit.suggest("1.2B")
        suggestion.shapes[0].config         # the content of config.json

    Sizes are those that `check` has nothing against: widths and feed-forward widths are multiples of 64, and heads
    are such that fused attention serves them. At most one shape a width.

    Args:
        params: the budget: 300k, 1.2B, 1e9, or a number.
        options: or single options by name, see `SuggestOptions`. Its interval may be one, or a file that `shape-audit
            interval -f json` wrote.

    Raises:
        UsageError: arguments that are not a valid combination, or no shape inside the interval hits the budget; the
            nearest one is named.
        CorruptFileError: the interval's file is not JSON.
        IncompleteError: it cannot be read.
    """
    options = SuggestOptions.given(options, changes, "suggest()")
    known, budget = family_named(options.family), parse_budget(params)
    interval = options.interval
    if interval is None:
        interval = searched_interval()
    elif not isinstance(interval, Interval):
        interval = read_interval(interval)
    request = Request(
        family=known,
        budget=budget,
        non_embedding=options.non_embedding,
        interval=interval,
        vocab_size=next_multiple(known.vocab_size if options.vocab_size is None else options.vocab_size),
        tied=known.ties(budget) if options.tied is None else options.tied,
        head_dims=known.head_dims if options.head_dim is None else (options.head_dim,),
        tolerance=options.tolerance,
    )
    found = search(request)
    if not found or abs(found[0].miss) > options.tolerance:
        raise UsageError(_nothing(request, found))
    return _suggestion(request, found, (options.top, options.goal), options.vocab_size)


def _suggestion(
    request: Request, found: list[Candidate], shown: tuple[int, Goal], vocab_size: int | None
) -> ShapeSuggestion:
    (top, goal), interval = shown, request.interval
    counted: Counted = "non-embedding" if request.non_embedding else "total"
    ranked, tied = ordered(costed(request.family, found, BASES[counted]), goal)
    is_efficient = dict(zip((one.candidate.sizes for one in ranked), efficient(ranked), strict=True))
    fastest = min(one.time for one in ranked)
    shapes = [
        _suggested(request.family, one).model_copy(
            update={
                "rank": rank,
                "training_time": one.time / fastest,
                "is_efficient": is_efficient[one.candidate.sizes],
            }
        )
        for rank, one in enumerate(ranked[:top], start=1)
    ]
    first = shapes[0].shape
    return ShapeSuggestion(
        family=request.family.name,
        params=request.budget,
        counted=counted,
        tolerance=request.tolerance,
        goal=goal,
        interval=interval,
        caveat=searched_caveat() if interval == searched_interval() else place(first.r_dw, interval).caveat,
        ranking=_ranking(goal, counted, tied),
        found=len(found),
        shapes=shapes,
        size_neighbours=size_neighbours(first.params_total, interval),
        nearest_in_params=nearest_in_params(first, interval, EXISTING),
        nearest_in_shape=nearest_in_shape(first, interval, EXISTING),
        notes=_notes(request, found, vocab_size),
    )


def _ranking(goal: Goal, counted: Counted, tied: int) -> str:
    """What the order means, and how far it is one of training time alone."""
    return f"ranked {BY_GOAL[goal].format(counted=counted)}{TIES.format(tied=tied) if tied > 1 else ''}"


def _suggested(family: Family, one: Costed) -> SuggestedShape:
    sizes, ledger = one.candidate.sizes, family.ledger(one.candidate.sizes)
    total = sum(ledger.model_dump().values())
    shape = ModelShape(
        **asdict(sizes),
        r_dw=sizes.num_hidden_layers / sizes.hidden_size,
        feed_forward_ratio=sizes.intermediate_size / sizes.hidden_size,
        is_dense=True,
        params_total=total,
        params_non_embedding=total - ledger.embedding - ledger.unembedding,
        ledger=ledger,
        widths=None,
    )
    return SuggestedShape(
        rank=1,
        shape=shape,
        miss=one.candidate.miss,
        costs=[one.at_tokens, one.at_time],
        training_time=one.time,
        is_efficient=False,
        kv_cache_bytes_per_token=one.cache,
        hardware=one.candidate.hardware,
        config=family.config_of(sizes),
    )


def _notes(request: Request, found: list[Candidate], vocab_size: int | None) -> list[str]:
    family, padded = request.family, request.vocab_size
    given = family.vocab_size if vocab_size is None else vocab_size
    notes = []
    if vocab_size is None:
        notes.append(f"vocabulary: {given:,}, as {family.name} has it; --vocab names another")
    if padded != given:
        notes.append(f"vocabulary padded from {given:,} to {padded:,}, a multiple of {TILE}")
    if any(c.sizes.intermediate_size != family.usual_feed_forward(c.sizes.hidden_size) for c in found):
        usual = family.feed_forward_ratio[0] / family.feed_forward_ratio[1]
        notes.append(f"no shape hits the budget with the usual feed-forward width ({usual:.3g} × width): others tried")
    return notes


def _nothing(request: Request, nearest: list[Candidate]) -> str:
    """Why there is no shape, and what would be possible, in one line."""
    low, high = ("open" if end is None else f"{end:.4g}" for end in (request.interval.low, request.interval.high))
    inside = f"[{low}, {high}] ({request.interval.name})"
    if not nearest:
        return f"no width up to {WIDEST:,} has a depth of 1 to {DEEPEST:,} layers inside {inside}; see --interval"
    sizes, params, miss = nearest[0].sizes, nearest[0].params, nearest[0].miss
    kind = "non-embedding parameters" if request.non_embedding else "parameters"
    off = f" ({miss * 100:+.3g} %)" if abs(miss) < 1 else ""
    shape = f"{sizes.num_hidden_layers} layers × {sizes.hidden_size:,}"
    line = (
        f"no {request.family.name} shape inside {inside} has {request.budget:,} {kind} "
        f"(±{request.tolerance * 100:g} %); the nearest: {shape}, {params:,}{off}"
    )
    ledger = request.family.ledger(sizes)
    embedding = ledger.embedding + ledger.unembedding
    if not request.non_embedding and miss > 0 and embedding > request.budget / 2:
        return f"{line}, of which {embedding:,} are embedding; lower --vocab, or name another --params"
    return f"{line}; name that as --params, or raise --tolerance"
