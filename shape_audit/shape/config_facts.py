"""What config.json promises, whatever names it uses for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.shape.shipped_data import facts


@dataclass(frozen=True)
class Quantization:
    """How the weights are quantised.

    Attributes:
        method: gptq, awq, bitsandbytes, fp8 ...
        bits: of one weight, where they are packed into larger integers; None where the config does not say.
    """

    method: str
    bits: int | None


@dataclass(frozen=True)
class ConfigFacts:
    """The promises of a config; None where it is silent.

    `is_causal_lm` is None where the config names no architecture. `text_model_type` is that of the text part, where
    the config is nested. `non_dense_reason` goes by keys that some types write whatever their blocks are:
    `density.non_dense_reason` weighs it against the tensors; `layer_types_reason` goes by the list of the blocks.
    `num_layers_per_stack` is how many blocks are stored in each list of them, where they are used more than once.
    """

    architecture: str | None
    model_type: str | None
    text_model_type: str | None
    is_causal_lm: bool | None
    num_hidden_layers: int | None
    num_layers_per_stack: int | None
    hidden_size: int | None
    intermediate_size: int | None
    num_attention_heads: int | None
    num_key_value_heads: int | None
    head_dim: int | None
    vocab_size: int | None
    max_position_embeddings: int | None
    tie_word_embeddings: bool | None
    non_dense_reason: str | None
    layer_types_reason: str | None
    quantization: Quantization | None


def read_config(config: Mapping[str, Any]) -> ConfigFacts:
    """Read the promises of a config, of its text part where it is nested.

    Raises:
        CorruptFileError: a field has a type or sign it cannot have.
    """
    text = _text_part(config)
    architectures = config.get("architectures")
    names = [name for name in architectures if isinstance(name, str)] if isinstance(architectures, list) else []
    heads = _positive(text, "num_attention_heads")
    tie = _first(text, "tie_word_embeddings")
    if tie is None:
        tie = _first(config, "tie_word_embeddings")
    return ConfigFacts(
        architecture=names[0] if names else None,
        model_type=_string(config.get("model_type")) or _string(text.get("model_type")),
        text_model_type=_string(text.get("model_type")) or _string(config.get("model_type")),
        is_causal_lm=_is_causal_lm(config, names, is_nested=text is not config),
        num_hidden_layers=_positive(text, "num_hidden_layers"),
        num_layers_per_stack=_positive(text, "num_layers_per_stack"),
        hidden_size=_positive(text, "hidden_size"),
        intermediate_size=_intermediate_size(text),
        num_attention_heads=heads,
        num_key_value_heads=_implied(text, "num_key_value_heads") or _positive(text, "num_key_value_heads") or heads,
        head_dim=_positive(text, "head_dim"),
        vocab_size=_positive(text, "vocab_size"),
        max_position_embeddings=_positive(text, "max_position_embeddings"),
        tie_word_embeddings=tie if isinstance(tie, bool) else None,
        non_dense_reason=_non_dense_reason(text),
        layer_types_reason=_layer_types_reason(text),
        quantization=_quantization(config.get("quantization_config")),
    )  # fmt: skip


def _text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in facts("config_facts")["text_config_keys"]:
        part = config.get(key)
        if isinstance(part, dict) and _first(part, "num_hidden_layers") is not None:
            return part
    return config


def _first(config: Mapping[str, Any], field: str) -> Any:
    """The value under the first of a field's names that the config has."""
    for alias in facts("config_facts")["aliases"][field]:
        if config.get(alias) is not None:
            return config[alias]
    return None


def _positive(config: Mapping[str, Any], field: str) -> int | None:
    value = _first(config, field)
    if value is None:
        return None
    if isinstance(value, list):  # per-layer values (OpenELM, pruned models): the tensors will tell
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**53:
        raise CorruptFileError(f"config.json: {field} is {str(value)[:40]!r}, not a positive whole number")
    return value


def _intermediate_size(config: Mapping[str, Any]) -> int | None:
    """The feed-forward width; some types give its name to gate and up together, or to what it is computed from."""
    size = _positive(config, "intermediate_size")
    table, model_type = facts("config_facts"), str(config.get("model_type"))
    switch = table["computed_feed_forward"]["unless_false"].get(model_type)
    if switch is not None and config.get(switch) is not False:
        return None
    return size // 2 if size and model_type in table["gate_and_up_counted_together"]["model_types"] else size


def _implied(config: Mapping[str, Any], field: str) -> int | None:
    """A value that follows from other fields of the config, whatever the field itself says."""
    for rule in facts("config_facts")["implied"]:
        if rule["field"] == field and all(config.get(key) == value for key, value in rule["when"].items()):
            return int(rule["value"])
    return None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _quantization(entry: Any) -> Quantization | None:
    if not isinstance(entry, dict) or not entry:
        return None
    method = _string(entry.get("quant_method")) or ("bitsandbytes" if "load_in_4bit" in entry else "unknown method")
    bits = entry.get("bits", entry.get("w_bit"))
    if entry.get("load_in_4bit") is True or entry.get("_load_in_4bit") is True:
        bits = 4
    if entry.get("load_in_8bit") is True or entry.get("_load_in_8bit") is True or method == "fp8":
        bits = 8
    return Quantization(method, bits if type(bits) is int and 0 < bits <= 8 else None)


def _is_causal_lm(config: Mapping[str, Any], architectures: list[str], *, is_nested: bool) -> bool | None:
    table = facts("config_facts")
    if config.get("is_encoder_decoder") is True or config.get("model_type") in table["no_causal_lm"]:
        return False
    if config.get("model_type") in table["encoders_unless_is_decoder"] and config.get("is_decoder") is not True:
        return False
    if not architectures:
        return None
    return is_nested or any(name.endswith(tuple(table["causal_lm_suffixes"])) for name in architectures)


def _non_dense_reason(config: Mapping[str, Any]) -> str | None:
    """Why the config does not promise a dense decoder, or None where it does."""
    table = facts("config_facts")
    for key in table["expert_count_keys"]:
        count = config.get(key)
        if isinstance(count, int) and not isinstance(count, bool) and count > 1:
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
