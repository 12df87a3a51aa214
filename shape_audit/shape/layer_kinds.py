"""Layers that differ by design: what a config says of each layer, and blocks that should therefore be alike.

A config has many ways to say it: a list of one entry a layer (layer_types, num_kv_heads of OpenELM, block_configs of
Nemotron-NAS), a list of layer numbers (cross_attention_layers), a period (interleave_moe_layer_step), a number of first
or last layers (first_k_dense_replace, num_kv_shared_layers). All of them together give each layer its label.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shape_audit.shape.block_stacks import BlockStack
from shape_audit.shipped import facts

MOST_LAYERS = 10_000
"""Beyond any model there is; no labels are made on the word of a config that says more."""
LONGEST_PATTERN = 24
"""Layers after which a pattern repeats at the latest; models have 2 to 8."""
REPEATS = 3
"""How often a pattern in the tensors must repeat at least, and by how much it must explain the blocks better."""


def block_kinds(config: Mapping[str, Any], depth: int, model_type: str | None = None) -> tuple[str, ...] | None:
    """One label a layer; None where neither the config nor its type says anything that differs between layers."""
    if not 1 < depth <= MOST_LAYERS:
        return None
    table = facts("config_facts")["layer_kinds"]
    columns = [column for column in _columns(config, depth) if len(set(column)) > 1]
    columns += [[f"first:{i == 0}" for i in range(depth)]] * (model_type in table["odd_first_types"])
    columns += [[f"last:{i == depth - 1}" for i in range(depth)]] * (model_type in table["odd_last_types"])
    return tuple(" ".join(labels) for labels in zip(*columns, strict=True)) if columns else None


def unknown_layer_kinds(config: Mapping[str, Any]) -> list[str]:
    """What `layer_types` in the config of a known type names that transformers refuses."""
    kinds, known = config.get("layer_types"), facts("config_facts")["layer_kind_names"]["layer_types"]
    return list(dict.fromkeys(str(kind) for kind in kinds if kind not in known)) if isinstance(kinds, list) else []


def absent_blocks(config: Mapping[str, Any], depth: int) -> frozenset[int]:
    """Layers without attention and without feed-forward: `block_configs` of Nemotron-NAS says no_op of each part."""
    entries = config.get("block_configs")
    if not isinstance(entries, list) or len(entries) != depth:
        return frozenset()
    return frozenset(i for i, entry in enumerate(entries) if isinstance(entry, dict) and _is_no_op(entry))


def _is_no_op(entry: Mapping[str, Any]) -> bool:
    parts = [part for part in entry.values() if isinstance(part, dict) and "no_op" in part]
    return bool(parts) and all(part["no_op"] is True and not part.get("replace_with_linear") for part in parts)


def _columns(config: Mapping[str, Any], depth: int) -> Iterator[list[str]]:
    """Each thing the config says about single layers, as one label a layer."""
    table = facts("config_facts")["layer_kinds"]
    for key, value in sorted(config.items()):
        if "token" in key or value == [*range(depth)]:  # Llama 4 lists all its layers where all have experts
            continue
        if isinstance(value, list | str) and len(value) == depth and (isinstance(value, list) or "pattern" in key):
            yield [json.dumps(entry, sort_keys=True) for entry in value]
        elif isinstance(value, list) and _are_layers(value) and ("layer" in key or "idx" in key):
            yield [f"{key}:{i in value}" for i in range(depth)]
        elif isinstance(value, dict) and value and "layer" in key and all(str(i).isdecimal() for i in value):
            yield [json.dumps(value.get(str(i)), sort_keys=True) for i in range(depth)]
    for key in table["period_keys"]:
        if type(period := config.get(key)) is int and 1 < period <= depth // 2:
            yield [f"{i % period}" for i in range(depth)]
    for key, offset in table["offset_keys"].items():
        period, start = config.get(key), config.get(offset)
        if type(period) is int and type(start) is int and period > 1:
            yield [f"{key}:{i % period == start}" for i in range(depth)]
    for key in table["first_keys"]:
        if type(first := config.get(key)) is int and 0 < first < depth:
            yield [f"{key}:{i < first}" for i in range(depth)]
    for key in table["last_keys"]:
        if type(last := config.get(key)) is int and 0 < last < depth:
            yield [f"{key}:{i >= depth - last}" for i in range(depth)]


def _are_layers(value: list[Any]) -> bool:
    """Whether a list may be one of layer numbers; some may be beyond a depth that was cut."""
    return bool(value) and all(type(i) is int and i >= 0 for i in value) and len(set(value)) == len(value)


def like_blocks(kinds: Sequence[str] | None, stack: BlockStack) -> list[BlockStack]:
    """A stack cut into blocks that should be alike, by index: as the config's labels say, and where the blocks of one
    label still alternate regularly, by their place in that pattern.

    Args:
        kinds: one label a layer, see `block_kinds`; None where the config says nothing.
    """
    labelled: dict[str, list[int]] = defaultdict(list)
    for index in stack.blocks:
        labelled[kinds[index] if kinds and index < len(kinds) else ""].append(index)
    return [stack.part(part) for indices in labelled.values() for part in _pattern_parts(stack, indices)]


def _pattern_parts(stack: BlockStack, indices: list[int]) -> list[list[int]]:
    """Blocks by their place in the shortest pattern that repeats; all of them where none does."""
    if len(indices) > MOST_LAYERS:
        return [indices]
    looks = [_look(stack, index) for index in indices]
    unlike = _exceptions(looks, 1)
    if unlike < REPEATS:
        return [indices]
    for period in range(2, min(LONGEST_PATTERN, len(indices) // REPEATS) + 1):
        if REPEATS * _exceptions(looks, period) <= unlike:
            parts: dict[Any, list[int]] = defaultdict(list)
            for place in range(period):
                usual = Counter(looks[place::period]).most_common(1)[0][0]
                parts[usual] += indices[place::period]
            return [sorted(part) for part in parts.values()]
    return [indices]


def _look(stack: BlockStack, index: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted((name, header.shape) for name, header in stack.blocks[index].items()))


def _exceptions(looks: Sequence[Any], period: int) -> int:
    """Blocks that are not as most of those at their place of the pattern."""
    return sum(
        len(looks[place::period]) - Counter(looks[place::period]).most_common(1)[0][1] for place in range(period)
    )
