"""SA2: sizes that hardware likes. The sizes themselves, and where they are from: `shape/hardware_sizes.py`."""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import BUILDING, key_of
from shape_audit.hub import CONFIG_FILE
from shape_audit.records import Severity
from shape_audit.shape import LARGE_TILE, LARGEST_HEAD, NEEDED, TILE, is_fused_head, next_multiple, unsplit

_HEAD_DIM_FROM = tuple(key_of(CONFIG_FILE, key) for key in ("hidden_size", "num_attention_heads"))
"""What gives the head dimension where the config does not."""


def _off_tile(name: str, size: int | None) -> Iterator[Seen]:
    """A size that is no multiple of a tile: a warning where not even of the least that is needed."""
    if size and size % TILE:
        severity: Severity = "warning" if size % NEEDED else "note"
        down, up, large = size // TILE * TILE, next_multiple(size), next_multiple(size, LARGE_TILE)
        near = f"one is {up}" if down == 0 else f"ones are {down} or {up}"
        wide = f" (of {LARGE_TILE}: {large})" if large != up else ""
        least = f", not even of {NEEDED}" if size % NEEDED else ""
        yield Seen(
            f"{name} = {size} is no multiple of {TILE}{least}; the next {near}{wide}",
            place=name,
            severity=severity,
        )


@rule(
    "SA201", "hidden-size-multiple", "note",
    why="Every matrix of the model has this size on one side; off the tile, each product is padded.",
    fix="Take the next multiple of 64 (better 128) in the next training run.",
)  # fmt: skip
def hidden_size_multiple(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """hidden_size is no multiple of 64."""
    yield from _off_tile("hidden_size", model.facts.hidden_size if model.facts else None)


@rule(
    "SA202", "feed-forward-multiple", "note",
    why="The largest matrices of a block have this size; off the tile, each product is padded.",
    fix="Take the next multiple of 64 (better 128) in the next training run.",
)  # fmt: skip
def feed_forward_multiple(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """intermediate_size is no multiple of 64."""
    yield from _off_tile("intermediate_size", model.facts.intermediate_size if model.facts else None)


@rule(
    "SA203", "vocabulary-multiple", "note",
    why="The unembedding is the largest single product of a small model; an odd number of rows slows it down.",
    fix="Pad the embedding to the next multiple (resize_token_embeddings(pad_to_multiple_of=64)); scores stay.",
)  # fmt: skip
def vocabulary_multiple(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """vocab_size is no multiple of 8."""
    size = model.facts.vocab_size if model.facts else None
    if size and size % NEEDED:
        seen = f"vocab_size = {size} is no multiple of {NEEDED}; of {TILE}, the next one is {next_multiple(size)}"
        yield Seen(seen, place="vocab_size")


@rule(
    "SA204", "head-dim-not-fused", "warning",
    why="Fused attention kernels serve head dimensions that are multiples of 8, up to 256; others run slower.",
    fix="Choose another number of heads: head_dim 64, 96 or 128 is served everywhere.",
)  # fmt: skip
def head_dim_not_fused(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """head_dim is one that fused attention kernels do not serve."""
    shape = model.shape.shape if model.shape else None
    if shape is None:
        return
    heads, head_dim = shape.num_attention_heads, shape.head_dim
    if head_dim is None and heads and shape.hidden_size % heads:
        seen = f"hidden_size = {shape.hidden_size} does not divide by {heads} heads, and there is no head_dim"
        yield Seen(seen, place="head_dim")
    elif head_dim and not is_fused_head(head_dim):
        wide: Severity | None = "note" if head_dim % NEEDED == 0 else None  # a choice (Gemma 4), not an oversight
        yield Seen(
            f"head_dim = {head_dim} is no multiple of {NEEDED} up to {LARGEST_HEAD}", place="head_dim", severity=wide,
            about=_HEAD_DIM_FROM * (model.facts is not None and "head_dim" in model.facts.defaults),
        )  # fmt: skip


@rule(
    "SA205", "key-value-heads", "error",
    why="Grouped-query attention gives each key/value head the same number of query heads; otherwise it cannot run.",
    fix="Make num_key_value_heads a divisor of num_attention_heads.",
    explains=("SA313", "SA318"),
)  # fmt: skip
def key_value_heads(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """num_key_value_heads does not divide num_attention_heads."""
    heads = model.facts.num_attention_heads if model.facts else None
    shared = model.facts.num_key_value_heads if model.facts else None
    if heads and shared and heads % shared:
        yield Seen(f"num_key_value_heads = {shared} does not divide num_attention_heads = {heads}",
                   place="num_key_value_heads",
                   about=(BUILDING, key_of(CONFIG_FILE, "num_attention_heads")))  # fmt: skip


@rule(
    "SA206", "tensor-parallel", "note",
    why="Tensor parallelism cuts heads and feed-forward width into equal parts.",
    fix="Set bounds.tensor-parallel in the policy to the degrees you serve with, or [] for none.",
)  # fmt: skip
def tensor_parallel(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Heads, key/value heads or feed-forward width do not split into the policy's tensor-parallel degrees (2, 4, 8)."""
    facts = model.facts
    for name in ("num_attention_heads", "num_key_value_heads", "intermediate_size") if facts else ():
        size = getattr(facts, name) or 0
        degrees = unsplit(size, policy.tensor_parallel)
        if name == "num_key_value_heads":
            heads = (facts and facts.num_attention_heads) or size
            if heads == size or heads % max(size, 1):
                continue  # said already: of the heads, or by SA205
            degrees = [degree for degree in degrees if degree < size or degree % size]  # fewer than devices are copied
        if degrees:
            words = " or ".join(map(str, degrees))
            yield Seen(f"{name} = {size} does not split into {words} equal parts", place=name)
