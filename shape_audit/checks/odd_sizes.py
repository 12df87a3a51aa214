"""Sizes that stand alone: a matrix of a block that has no neighbour of its own kind, cut or resized.

Within a block sizes come in company: the rows of a query matrix are the columns of the output matrix, gate, up and down
share the feed-forward width, and all have the width of the residual stream. One that no other tensor has, and that
does not follow from the config, is a fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

from shape_audit.checks.block_parts import FEWEST_ALIKE
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.shape import role_of

ROLES = ("attention", "feed_forward", "norms")
"""Whose sizes are products of numbers in the config; those of state-space mixers are sums of several."""
MOST_NUMBERS = 200
"""In a config, beyond which not all their products are made."""


class Sizes:
    """The sizes that tensors share, and those that the config names or implies."""

    def __init__(self, model: CheckedModel) -> None:
        self._model = model
        self._shared = Counter(size for header in model.tensors.values() for size in {*header.shape})

    def is_odd(self, size: int) -> bool:
        """Whether one tensor alone has it, none has half or twice of it, and nothing in the config gives it."""
        half = self._shared[size // 2] if size % 2 == 0 else 0
        alone = self._shared[size] == 1 and not half and not self._shared[2 * size]
        return size > 1 and alone and size not in self._promised

    @cached_property
    def _promised(self) -> set[int]:
        numbers = {*_numbers(self._model.config)}
        if facts := self._model.facts:
            heads, shared = facts.num_attention_heads or 0, facts.num_key_value_heads or 0
            numbers |= {facts.head_dim or 0, heads, shared, heads + 2 * shared, facts.intermediate_size or 0}
        if len(numbers) > MOST_NUMBERS:
            return numbers
        pairs = {one * two for one, two in combinations_with_replacement(numbers, 2)}
        return numbers | pairs | {times * size for times in (2, 3) for size in (*numbers, *pairs)}


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


def odd_sizes(model: CheckedModel) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Name and shape of each tensor with such a size, and the size, of blocks in kinds of one or two."""
    if model.is_compared or model.is_quantized:
        return
    alone = [part for part in model.alike if len(part.blocks) < FEWEST_ALIKE]
    if model.stack is None or 2 * sum(len(part.blocks) for part in alone) > len(model.stack.blocks):
        return  # most blocks are of a kind of their own: sizes that change from layer to layer are the design (OpenELM)
    sizes = Sizes(model) if alone else None
    for part in alone:
        for index, block in part.blocks.items():
            for rest, header in block.items():
                name = part.name_of(index, rest)
                odd = [size for size in header.shape if sizes and sizes.is_odd(size)]
                if odd and role_of(name) in ROLES:
                    yield name, header.shape, odd[0]
