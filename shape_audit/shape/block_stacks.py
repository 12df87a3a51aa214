"""The numbered lists of modules that tensor names tell of: `model.layers.0.mlp.up_proj.weight` is in `model.layers`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from shape_audit.hub import TensorHeader
from shape_audit.shipped import facts

_IN_BLOCK = re.compile(r"(?P<prefix>(?:[^.]+\.)*?[^.\d][^.]*)\.(?P<index>\d{1,9})\.(?P<rest>.+)", re.DOTALL)


@dataclass(frozen=True)
class BlockStack:
    """Blocks of one numbered list of modules, or of several that are run one after the other.

    Attributes:
        prefix: `model.layers`; of the largest list, where several are joined.
        blocks: index -> name inside the block -> header, by index.
        places: index -> `transformer.coda.0`, of blocks that are not at `prefix.index`.
    """

    prefix: str
    blocks: Mapping[int, Mapping[str, TensorHeader]]
    places: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> int:
        """Of all blocks together."""
        return sum(header.numel for block in self.blocks.values() for header in block.values())

    @cached_property
    def counts(self) -> Counter[str]:
        """Name inside a block -> how many blocks have it."""
        return Counter(rest for block in self.blocks.values() for rest in block)

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
        """The name of a tensor of a block, as it is stored."""
        return f"{self.places.get(index, f'{self.prefix}.{index}')}.{rest}"

    def part(self, indices: Iterable[int]) -> BlockStack:
        """Some of the blocks, under the indices they have."""
        return BlockStack(self.prefix, {index: self.blocks[index] for index in indices}, self.places)

    def from_zero(self) -> BlockStack:
        """The same blocks, counted from 0."""
        first = min(self.blocks)
        places = {index - first: self.places.get(index, f"{self.prefix}.{index}") for index in self.blocks}
        return BlockStack(self.prefix, {index - first: block for index, block in self.blocks.items()}, places)


@dataclass(frozen=True)
class DecoderBlocks:
    """The blocks that are the model's depth, and those that only predict further tokens (MTP).

    Attributes:
        stack: None where no tensor name has a block's number.
        mtp_blocks: how many blocks for multi-token prediction are stored.
        mtp_tensors: names of all tensors that belong to these.
    """

    stack: BlockStack | None
    mtp_blocks: int
    mtp_tensors: frozenset[str]


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


def sequence_ends(tensors: Mapping[str, TensorHeader]) -> dict[str, str]:
    """Where one list holds the whole model, the tensors before and after its blocks -> their names without a number.

    Such a list begins with the embedding, and may end with a norm and the output matrix (the first Phi: `layers.0.wte`,
    `layers.25.linear`). An entry is a block where it has one of the matrices that most have.
    """
    stack, roles = largest_stack(tensors), facts("tensor_roles")["roles"]
    embedding = re.compile(next(rule["pattern"] for rule in roles if rule["role"] == "embedding"))
    first = next(iter(stack.blocks.values())) if stack else {}
    if stack is None or not any(embedding.search(f"{stack.prefix}.{rest}") for rest in first):
        return {}
    matrices = {rest for rest, shape in stack.usual.items() if len(shape) > 1}
    own = [index for index, block in stack.blocks.items() if matrices & block.keys()]
    ends = [index for index in stack.blocks if own and not own[0] <= index <= own[-1]]
    names = {stack.name_of(index, rest): f"{stack.prefix}.{rest}" for index in ends for rest in stack.blocks[index]}
    return names if own and min(stack.blocks) < own[0] and len({*names.values()}) == len(names) else {}


def decoder_blocks(
    tensors: Mapping[str, TensorHeader],
    *,
    depth: int | None = None,
    num_mtp_blocks: int = 0,
    from_zero: bool = False,
) -> DecoderBlocks:
    """Tell the decoder's own blocks from those for multi-token prediction.

    These are stored under names of their own (`mtp.layers.0`), or as more layers after the last one
    (`model.layers.61` of DeepSeek-V3).

    Args:
        depth: the layers that the config promises, where it does.
        num_mtp_blocks: the MTP blocks that it promises.
        from_zero: whether the lowest number stands for the first block (see `sequence_ends`).
    """
    table = facts("tensor_roles")["mtp"]
    named = {name for name in tensors if re.search(table["prefix"], name)}
    others = {name: header for name, header in tensors.items() if name not in named}
    stack = _joined(block_stacks(others), depth)
    stack = stack.from_zero() if stack and from_zero else stack
    blocks = {match["index"] for name in named if (match := _IN_BLOCK.fullmatch(name))}
    count = max(len(blocks), 1) if named else 0
    if stack is not None:
        beyond = {
            index
            for index, block in stack.blocks.items()
            if (depth is None or index >= depth)
            and (any(re.search(table["inside"], rest) for rest in block) or _is_promised(index, depth, num_mtp_blocks))
        }
        named |= {stack.name_of(index, rest) for index in beyond for rest in stack.blocks[index]}
        count += len(beyond)
        own = [index for index in stack.blocks if index not in beyond]
        stack = stack.part(own) if own else None
    return DecoderBlocks(stack, count, frozenset(named))


def _is_promised(index: int, depth: int | None, num_mtp_blocks: int) -> bool:
    return depth is not None and depth <= index < depth + num_mtp_blocks


def _joined(stacks: list[BlockStack], depth: int | None) -> BlockStack | None:
    """The largest stack; where lists beside it have the same blocks, all of these (prelude, core, coda of Huginn)."""
    largest = max(stacks, key=lambda stack: stack.parameters, default=None)
    if largest is None or (depth is not None and len(largest.blocks) >= depth):
        return largest
    parent = largest.prefix.rpartition(".")[0]
    alike = [s for s in stacks if s.prefix.rpartition(".")[0] == parent and s.usual.keys() == largest.usual.keys()]
    if len(alike) == 1:
        return largest
    every = [(f"{stack.prefix}.{index}", block) for stack in alike for index, block in stack.blocks.items()]
    return BlockStack(
        largest.prefix,
        {index: block for index, (_, block) in enumerate(every)},
        {index: place for index, (place, _) in enumerate(every)},
    )
