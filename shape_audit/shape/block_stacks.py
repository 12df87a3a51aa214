"""The numbered lists of modules that tensor names tell of: `model.layers.0.mlp.up_proj.weight` is in `model.layers`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from shape_audit.hub import TensorHeader

_IN_BLOCK = re.compile(r"(?P<prefix>(?:[^.]+\.)*?[^.\d][^.]*)\.(?P<index>\d{1,9})\.(?P<rest>.+)", re.DOTALL)


@dataclass(frozen=True)
class BlockStack:
    """Blocks of one numbered list of modules.

    Attributes:
        prefix: `model.layers`.
        blocks: index -> name inside the block -> header, by index.
    """

    prefix: str
    blocks: Mapping[int, Mapping[str, TensorHeader]]

    @cached_property
    def parameters(self) -> int:
        """Of all blocks together."""
        return sum(header.numel for block in self.blocks.values() for header in block.values())

    @cached_property
    def usual(self) -> dict[str, tuple[int, ...]]:
        """Name inside a block -> its most frequent shape, of names that more than half of the blocks have."""
        shapes: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
        for block in self.blocks.values():
            for name, header in block.items():
                shapes[name][header.shape] += 1
        most = {name: counts.most_common(1)[0][0] for name, counts in shapes.items()}
        return {name: shape for name, shape in most.items() if 2 * shapes[name].total() > len(self.blocks)}

    def name_of(self, index: int, rest: str) -> str:
        return f"{self.prefix}.{index}.{rest}"


def is_in_block(name: str) -> bool:
    """Whether a tensor's name has a block's number."""
    return _IN_BLOCK.fullmatch(name) is not None


def block_stacks(tensors: Mapping[str, TensorHeader]) -> list[BlockStack]:
    """All stacks, in the order of their first tensors."""
    stacks: dict[str, dict[int, dict[str, TensorHeader]]] = defaultdict(lambda: defaultdict(dict))
    for name, header in tensors.items():
        if match := _IN_BLOCK.fullmatch(name):
            stacks[match["prefix"]][int(match["index"])][match["rest"]] = header
    return [BlockStack(prefix, dict(sorted(blocks.items()))) for prefix, blocks in stacks.items()]


def largest_stack(tensors: Mapping[str, TensorHeader]) -> BlockStack | None:
    """The stack that holds most parameters; None where no tensor name has a block's number."""
    return max(block_stacks(tensors), key=lambda stack: stack.parameters, default=None)
