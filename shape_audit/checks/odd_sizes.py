"""Sizes that stand alone: a matrix cut or resized in a block that has no neighbour of its own kind, or in all alike.

Within a block sizes come in company: the rows of a query matrix are the columns of the output matrix, gate, up and down
share the feed-forward width, and all have the width of the residual stream. One that no other matrix has, and that
does not follow from the config, is a fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

from shape_audit.checks.block_parts import FEWEST_ALIKE
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.records import ModelShape
from shape_audit.shape import BlockStack, ConfigFacts, is_in_block, role_of

ROLES = ("attention", "feed_forward", "norms")
"""Whose sizes are products of numbers in the config; those of state-space mixers are sums of several."""
MOST_NUMBERS = 200
"""In a config, beyond which not all their products are made."""
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


@dataclass(frozen=True)
class OddSize:
    """A tensor of a block, or of all blocks of a kind, with a size that no other tensor has.

    Attributes:
        names: of the tensor, in each of these blocks.
        number: the size.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    number: int


class Sizes:
    """The sizes that tensors share, the same one of several blocks counted once, and those that the config implies."""

    def __init__(self, model: CheckedModel) -> None:
        self._model = model
        names = ((_NUMBER.sub("#", name), header.shape) for name, header in model.tensors.items())
        self._shared = Counter(size for _, size in {(name, size) for name, shape in names for size in shape})

    def is_odd(self, size: int) -> bool:
        """Whether one tensor alone has it, none has half or twice of it, and nothing in the config gives it."""
        half = self._shared[size // 2] if size % 2 == 0 else 0
        alone = self._shared[size] == 1 and not half and not self._shared[2 * size]
        return size > 1 and alone and size not in self._promised

    @cached_property
    def _promised(self) -> set[int]:
        numbers = {*_numbers(self._model.config)}
        if self._model.shape:  # which the tensors tell where a config does not
            numbers |= _of_heads(self._model.shape.shape)
        if facts := self._model.facts:
            numbers |= _of_heads(facts) | {facts.intermediate_size or 0}
            numbers |= {*_of_other_heads(self._model.text_config, facts.hidden_size or 0)}
            numbers |= {*_sums(self._model.text_config, "experts")} if facts.num_experts else set()
            if facts.has_latent_attention:
                numbers |= {*_sums(self._model.text_config, "lora_rank", "head_dim")}
        if len(numbers) > MOST_NUMBERS:
            return numbers
        pairs = {one * two for one, two in combinations_with_replacement(numbers, 2)}
        return numbers | pairs | {times * size for times in (2, 3) for size in (*numbers, *pairs)}


def _of_heads(of: ModelShape | ConfigFacts) -> set[int]:
    """Heads, their dimension, and how many heads queries, keys and values have in one matrix."""
    heads, shared = of.num_attention_heads or 0, of.num_key_value_heads or 0
    return {of.head_dim or 0, heads, shared, heads + 2 * shared}


def _of_other_heads(config: Mapping[str, Any], width: int) -> Iterator[int]:
    """The same under whatever keys the config counts heads: some layers may have others than the rest (Baichuan-M1)."""
    for heads in _counts(config, "attention_heads"):
        yield width // heads
        yield from (heads + 2 * shared for shared in _counts(config, "key_value_heads"))


def _counts(config: Mapping[str, Any], end: str) -> list[int]:
    return [value for key, value in config.items() if key.endswith(end) and type(value) is int and value > 0]


def _numbers(value: Any) -> Iterator[int]:
    """Every whole number above 1 in a config, at any depth."""
    if type(value) is int:
        yield from (value,) if value > 1 else ()
    elif isinstance(value, Mapping):
        for inside in value.values():
            yield from _numbers(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _numbers(inside)


def _sums(config: Mapping[str, Any], *ends: str) -> Iterator[int]:
    """Of two numbers under keys with such ends. Latent attention keeps a compressed part and a rotated one in one
    matrix, and keys and values of a head; a router has rows for its own experts and for the shared ones."""
    parts = [value for key, value in config.items() if key.endswith(ends) and type(value) is int]
    yield from (one + two for one, two in combinations_with_replacement(parts, 2))


def odd_sizes(model: CheckedModel) -> Iterator[OddSize]:
    """Of blocks in kinds of one or two each by itself, of the others what all of a kind have."""
    if model.is_compared or model.is_quantized or model.stack is None:
        return
    alone = [part for part in model.alike if len(part.blocks) < FEWEST_ALIKE]
    if 2 * sum(len(part.blocks) for part in alone) > len(model.stack.blocks):
        return  # most blocks are of a kind of their own: sizes that change from layer to layer are the design (OpenELM)
    sizes = Sizes(model)
    for part in model.alike:
        each = [part.part([index]) for index in part.blocks] if len(part.blocks) < FEWEST_ALIKE else [part]
        for blocks in each:
            yield from _odd(blocks, sizes)


def _odd(part: BlockStack, sizes: Sizes) -> Iterator[OddSize]:
    for rest, shape in part.usual.items():
        names = tuple(part.name_of(index, rest) for index, block in part.blocks.items() if rest in block)
        odd, role = [size for size in shape if sizes.is_odd(size)], role_of(names[0])
        is_coefficients = len(shape) == 1 and role != "norms" and not rest.endswith(".bias")  # of an activation, say
        if odd and role in ROLES and not is_coefficients:
            yield OddSize(names, shape, odd[0])


def odd_ends(model: CheckedModel) -> Iterator[OddSize]:
    """Embedding, output matrix and norms outside of the blocks that are not as wide as these, of known decoders.

    Where an embedding is narrower by design, the config has its width, or a matrix that leads to the blocks' is stored.
    """
    facts, tensors = model.facts, model.tensor_facts
    if facts is None or tensors is None or not (facts.is_known_type and facts.is_causal_lm):
        return
    if model.is_compared or model.is_quantized or tensors.other_modalities or tensors.stacks > 1 or tensors.mtp_blocks:
        return
    width, shapes = facts.hidden_size, Counter(header.shape for header in model.tensors.values())
    if width is None or {*tensors.widths} != {width}:
        return
    sizes = Counter(size for shape in shapes for size in shape)
    stated = {width, *_numbers(model.config)}
    for name, header in model.tensors.items():
        role, number = role_of(name), header.shape[-1] if header.shape else width
        if is_in_block(name) or number in stated or shapes[number, width] or shapes[width, number]:
            continue
        is_alone = len(header.shape) == 2 if role in ("embedding", "unembedding") else sizes[number] == 1
        if is_alone and role in ("embedding", "unembedding", "norms"):
            yield OddSize((name,), header.shape, number)
