"""What config.json promises, whatever names it uses for it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shape_audit.shape.config_keys import ConfigKeys, string, text_part
from shape_audit.shape.layer_kinds import absent_blocks, block_kinds
from shape_audit.shape.quantization import Quantization, read_quantization
from shape_audit.shipped import facts


@dataclass(frozen=True)
class ConfigFacts:
    """The promises of a config; None where neither it nor the default of its type says anything.

    Attributes:
        text_model_type: of the text part, where the config is nested.
        is_known_type: whether transformers itself has the text part's model type.
        is_causal_lm: None where the config names no architecture, or one of a type that nobody knows and no task.
        tie_word_embeddings: None also where the config and its text part, or its type, contradict each other.
        embedding_rows: rows of the token embedding, where they are not `vocab_size`.
        num_experts: of each block that has a router; None also where it differs by layer.
        stored_experts: those that a block's tensors show: with experts that do nothing, and of every modality.
        num_mtp_blocks: blocks for multi-token prediction, which are no layers.
        block_kinds: one label a layer, where the config says that layers differ.
        absent_blocks: layers that have no tensors by design.
        stored_layers: layers that have tensors: without these, and those that are run again counted once.
        has_latent_attention: keys and values are kept compressed: rows of matrices say nothing of heads.
        non_dense_reason: by keys that some types write whatever their blocks are; see `density`.
        layer_types_reason: by the list of its blocks alone.
        defaults: the fields that the config leaves out and its type's own default fills.
        zeros: the fields that the config sets to 0, which None stands for here.
    """

    architecture: str | None
    model_type: str | None
    text_model_type: str | None
    is_known_type: bool
    is_causal_lm: bool | None
    num_hidden_layers: int | None
    hidden_size: int | None
    intermediate_size: int | None
    num_attention_heads: int | None
    num_key_value_heads: int | None
    head_dim: int | None
    vocab_size: int | None
    embedding_rows: int | None
    max_position_embeddings: int | None
    tie_word_embeddings: bool | None
    num_experts: int | None
    stored_experts: int | None
    num_mtp_blocks: int
    block_kinds: tuple[str, ...] | None
    absent_blocks: frozenset[int]
    stored_layers: int | None
    has_latent_attention: bool
    non_dense_reason: str | None
    layer_types_reason: str | None
    quantization: Quantization | None
    defaults: frozenset[str]
    zeros: frozenset[str]


def read_config(config: Mapping[str, Any], side_files: Mapping[str, Mapping[str, Any]] | None = None) -> ConfigFacts:
    """Read the promises of a config, of its text part where it is nested.

    Args:
        side_files: name -> content of JSON files beside it, some of which say how the weights are quantised.

    Raises:
        CorruptFileError: a field has a type or sign it cannot have.
    """
    text, text_type = text_part(config)
    keys = ConfigKeys(text, text_type)
    architectures = config.get("architectures")
    names = [name for name in architectures if isinstance(name, str)] if isinstance(architectures, list) else []
    table = facts("config_facts")
    depth = keys.number("num_hidden_layers")
    absent = absent_blocks(text, depth) if depth else frozenset()
    stacked = next((text[key] for key in table["stored_layers_keys"] if key in text), None)
    return ConfigFacts(
        architecture=names[0] if names else None,
        model_type=string(config.get("model_type")) or string(text.get("model_type")),
        text_model_type=text_type,
        is_known_type=text_type in facts("type_defaults")["types"],
        is_causal_lm=_is_causal_lm(config, names, is_nested=text is not config),
        num_hidden_layers=depth,
        hidden_size=keys.number("hidden_size"),
        intermediate_size=keys.number("intermediate_size"),
        num_attention_heads=keys.number("num_attention_heads"),
        num_key_value_heads=keys.number("num_key_value_heads"),
        head_dim=keys.number("head_dim"),
        vocab_size=keys.number("vocab_size"),
        embedding_rows=_embedding_rows(keys),
        max_position_embeddings=keys.number("max_position_embeddings"),
        tie_word_embeddings=_tied(config, keys),
        num_experts=next((count for _, count in _expert_counts(text)), None),
        stored_experts=_stored_experts(text),
        num_mtp_blocks=_mtp_blocks(text, config),
        block_kinds=block_kinds(text, depth, text_type) if depth else None,
        absent_blocks=absent,
        stored_layers=stacked if type(stacked) is int else depth - len(absent) if depth else None,
        has_latent_attention=any(text.get(key) for key in table["latent_attention_keys"]),
        non_dense_reason=_non_dense_reason(text),
        layer_types_reason=_layer_types_reason(text),
        quantization=read_quantization(config, text, side_files or {}),
        defaults=frozenset(keys.defaults),
        zeros=frozenset(keys.zeros),
    )


def _tied(config: Mapping[str, Any], keys: ConfigKeys) -> bool | None:
    """transformers asks the outer config. Many models say it in the text part alone, and the defaults of outer types
    have changed: what contradicts itself says nothing."""
    types = facts("type_defaults")["types"]
    outer = ConfigKeys(config, string(config.get("model_type")))
    if (said := outer.flag("tie_word_embeddings")) is not None:
        return said
    by_type = [types.get(name, {}).get("tie_word_embeddings") for name in (outer.model_type, keys.model_type)]
    inner = keys.flag("tie_word_embeddings")
    answers = {by_type[0], by_type[1] if inner is None else inner} - {None}
    return answers.pop() if len(answers) == 1 else None


def _embedding_rows(keys: ConfigKeys) -> int | None:
    """Rows of the token embedding, where a key or the type says that they are more than the vocabulary."""
    rule = facts("config_facts")["embedding_rows"]
    vocabulary = keys.number("vocab_size")
    if vocabulary is None:
        return None
    if added := rule["added"].get(keys.model_type):
        if isinstance(added, dict):
            factors = [keys.config.get(key, default) for key, default in added["product"].items()]
            added = math.prod(factors) + added["plus"] if all(type(factor) is int for factor in factors) else None
        added = keys.config.get(added) if isinstance(added, str) else added
        return vocabulary + added if type(added) is int else None
    if keys.model_type in facts("type_defaults")["types"]:
        return None  # transformers makes as many rows as vocab_size says
    for key in rule["keys"]:
        if type(rows := keys.config.get(key)) is int and rows > vocabulary:
            return rows
    for key in rule["multiple_keys"]:
        if type(multiple := keys.config.get(key)) is int and multiple > 0:
            return -(-vocabulary // multiple) * multiple
    return None


def _mtp_blocks(*levels: Mapping[str, Any]) -> int:
    for config in levels:
        for key in facts("config_facts")["mtp_count_keys"]:
            if type(count := config.get(key)) is int and 0 < count < 1000:
                return count
    return 0


def _is_causal_lm(config: Mapping[str, Any], architectures: list[str], *, is_nested: bool) -> bool | None:
    table, defaults = facts("config_facts"), facts("type_defaults")
    model_type = string(config.get("model_type"))
    entry = defaults["types"].get(model_type, {})
    if config.get("is_encoder_decoder", entry.get("is_encoder_decoder")) is True or model_type in table["no_causal_lm"]:
        return False
    if model_type in table["encoders_unless_is_decoder"] and config.get("is_decoder") is not True:
        return False
    auto_map = config.get("auto_map")
    if isinstance(auto_map, dict) and auto_map.get("AutoModelForCausalLM"):
        return True
    if not architectures:
        return None
    generates = {*defaults["classes"]}
    if any(name in generates or name.endswith(tuple(table["causal_lm_suffixes"])) for name in architectures):
        return True
    is_known = model_type in defaults["types"] or model_type in defaults["other_types"]
    tasks = [name for name in architectures if is_known or not name.endswith(table["of_any_task"])]
    if model_type in defaults["other_types"] or any(re.search(table["other_tasks"], name) for name in tasks):
        return is_nested and model_type not in defaults["other_types"]
    return True if is_nested else False if model_type in defaults["types"] else None


def _expert_counts(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The keys that say how many experts there are, and what they say."""
    for key in facts("config_facts")["expert_count_keys"]:
        if type(count := config.get(key)) is int and count > 1:
            yield key, count


def _stored_experts(config: Mapping[str, Any]) -> int | None:
    rule = facts("config_facts")["stored_experts"]
    added = sum(config[key] for key in rule["added_keys"] if type(config.get(key)) is int)
    widths = config.get(rule["widths_key"])
    modalities = len(widths) if isinstance(widths, list) and widths else 1
    return next(((count + added) * modalities for _, count in _expert_counts(config)), None)


def _non_dense_reason(config: Mapping[str, Any]) -> str | None:
    """Why the config does not promise a dense decoder, or None where it does."""
    table = facts("config_facts")
    for key, count in _expert_counts(config):
        return f"a mixture of {count} experts ({key})"
    for key in table["mixer_keys"]:
        if config.get(key):
            return f"not all of its blocks mix tokens by attention ({key})"
    return _layer_types_reason(config)


def _layer_types_reason(config: Mapping[str, Any]) -> str | None:
    """The kinds of blocks that the config lists beside those of attention, or None."""
    layer_types = config.get("layer_types")
    if isinstance(layer_types, list):
        others = {str(kind) for kind in layer_types} - set(facts("config_facts")["attention_layer_types"])
        if others:
            return f"not all of its blocks mix tokens by attention (layer_types: {', '.join(sorted(others))})"
    return None
