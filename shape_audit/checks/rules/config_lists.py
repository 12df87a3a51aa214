"""SA319: lists in the config that have an entry for each layer, or for each pair of rotated dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import BUILDING, key_of
from shape_audit.hub import CONFIG_FILE
from shape_audit.shape import unknown_layer_kinds

DEPTH = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers")
BY_LAYER = ("layer_types", "mlp_layer_types", "layers_block_type", "hybrid_override_pattern", "block_configs",
            "attention_chunk_sizes", "num_query_heads", "num_kv_heads", "ffn_multipliers", "intermediate_size",
            "num_attention_heads", "num_key_value_heads", "activation_sparsity_pattern", "no_rope_layers")  # fmt: skip
"""Keys that hold one entry a layer where they hold a list (or, the pattern, a letter)."""
MAY_BE_EMPTY = ("no_rope_layers",)
"""Then transformers has a default: Llama4TextConfig."""
FACTORS = ("short_factor", "long_factor")


@rule(
    "SA319", "list-length", "error",
    why="transformers refuses such a config, or builds layers of the wrong kind.",
    fix="Give the list one entry for each layer (rope factors: for each pair of rotated dimensions).",
    explains=("SA313",),
)  # fmt: skip
def list_length(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A list by layer has another length than num_hidden_layers or names an unknown kind of layer, or rope has more or
    fewer factors than it takes."""
    fitting = {0, model.facts.num_mtp_blocks if model.facts else 0}
    stored = len(model.stack.blocks) if model.stack else None
    for part in (model.config, *(value for value in model.config.values() if isinstance(value, dict))):
        yield from _by_layer(part, fitting, stored)
        if model.facts and model.facts.is_known_type and (unknown := unknown_layer_kinds(part)):
            yield Seen(f"layer_types names {', '.join(unknown)[:80]}, which is no kind of layer in transformers",
                       place="layer_types", about=(BUILDING,))  # fmt: skip
    text = model.text_config
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    if not isinstance(rope, dict):
        return
    wanted = _rotated_pairs(model, text, rope)
    counts = {key: len(rope[key]) for key in FACTORS if isinstance(rope.get(key), list)}
    if odd := {key: count for key, count in counts.items() if wanted and count != wanted}:
        have = " and ".join(f"{key} of rope has {count} factors" for key, count in odd.items())
        yield Seen(f"{have}; the head dimension takes {wanted}", place=next(iter(odd)), about=(BUILDING,))


def _by_layer(part: Mapping[str, Any], more: set[int], stored: int | None) -> Iterator[Seen]:
    """Lists that have not an entry a layer; where they fit the blocks stored, it is the depth that is wrong."""
    depth_key = next((key for key in DEPTH if type(part.get(key)) is int), "")
    depth = part.get(depth_key)
    for key in BY_LAYER if depth else ():
        entries: Any = part.get(key)
        is_list = isinstance(entries, list) or (key == "hybrid_override_pattern" and isinstance(entries, str))
        if not entries and key in MAY_BE_EMPTY:
            continue
        if is_list and depth and len(entries) - depth not in more and len(entries) != stored:
            yield Seen(f"{key} has {len(entries)} entries, but there are {depth} layers", place=key,
                       about=(BUILDING, key_of(CONFIG_FILE, depth_key)))  # fmt: skip


def _rotated_pairs(model: CheckedModel, text: Mapping[str, Any], rope: Mapping[str, Any]) -> int | None:
    """Half of the dimensions of a head that rope turns; None where the config does not tell."""
    head = text.get("qk_rope_head_dim") or (model.facts.head_dim if model.facts else None)
    if head is None and model.shape:
        head = model.shape.shape.head_dim
    share = rope.get("partial_rotary_factor", text.get("partial_rotary_factor", 1.0))
    if type(head) is not int or isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        return None
    return int(head * share) // 2
