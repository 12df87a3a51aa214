"""How the weights are quantised, as config.json or a file beside it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shape_audit.shape.config_keys import at_path, string
from shape_audit.shipped import facts


@dataclass(frozen=True)
class Quantization:
    """How the weights are quantised.

    Attributes:
        method: gptq, awq, bitsandbytes, fp8, modelopt, mlx ...
        bits: of one weight; None where it is not said, or differs from module to module.
        source: the file that says so.
        algorithm: of methods that have several: NVFP4, int4_weight_only ...
        modules: name of a module -> bits of its weights, where they are not `bits`.
        group_size, group_sizes: how many inputs share a scale; of modules by name, where it is not the same for all.
        shapes: name of a module -> outputs and inputs, where the config says them (VPTQ).
        promised: every number of bits that is said of any weight.
        is_when_loaded: the weights are stored as they were, and quantised in use.
    """

    method: str
    bits: int | None
    source: str = "config.json"
    algorithm: str | None = None
    modules: Mapping[str, int | None] = field(default_factory=dict)
    group_size: int | None = None
    group_sizes: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    promised: frozenset[int] = frozenset()
    is_when_loaded: bool = False

    def group_size_of(self, module: str) -> int | None:
        """How many inputs of a module's weight share a scale."""
        return self.group_sizes.get(module, self.group_size)

    @property
    def name(self) -> str:
        """`modelopt NVFP4`"""
        return f"{self.method} {self.algorithm}" if self.algorithm else self.method

    @property
    def label(self) -> str:
        """`mlx, 4 bits`"""
        return f"{self.name}, {self.bits} bits" if self.bits else self.name


def read_quantization(
    config: Mapping[str, Any], text: Mapping[str, Any], side_files: Mapping[str, Mapping[str, Any]]
) -> Quantization | None:
    """What a config, its text part or the files beside them say of quantisation; None where they say nothing."""
    for level in (config, text):
        for key in ("quantization_config", "compression_config"):  # the latter in the first of compressed-tensors
            if (entry := _object(level.get(key))) and _is_about_weights(entry):
                return _read(entry, "config.json", _method(entry, level))
        if (entry := _object(level.get("quantization"))) and "bits" in entry:
            return _read(entry, "config.json", "mlx")
    for file, rule in facts("quantization")["side_files"].items():
        content = side_files.get(file, {})
        entry = _object(content.get(rule["at"])) if rule["at"] else content
        if entry and _is_about_weights(entry):
            return _read(entry, file, string(entry.get("quant_method")) or rule["method"])
    return None


def _is_about_weights(entry: Mapping[str, Any]) -> bool:
    """Not where only keys and values are kept in few bits, or where the weights are stored as they were."""
    if str(_object(entry.get("sparsity_config")).get("format")).startswith("sparse"):
        return True
    if entry.get("format") == "dense" or ("quant_algo" in entry and entry["quant_algo"] is None):
        return False
    return entry.get("kv_cache_scheme") is None or entry.get("config_groups") != {}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _method(entry: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    if named := string(entry.get("quant_method")):
        return named
    if entry == config.get("quantization"):  # MLX writes the same under both keys
        return "mlx"
    if any(key in entry for key in ("load_in_4bit", "load_in_8bit")):
        return "bitsandbytes"
    return "modelopt" if "quant_algo" in entry else "mlx" if {"bits", "group_size"} == set(entry) else "unknown method"


def _read(entry: Mapping[str, Any], source: str, method: str) -> Quantization:
    bits, algorithm = _bits(entry)
    if bits is None and algorithm is None:
        bits = facts("quantization")["methods"].get(method)
    named = string(entry.get("quant_algo"))
    modules = dict(_modules(entry))
    by_module = {name: _bits(settings)[0] for name, settings in modules.items()}
    groups = [_object(_object(group).get("weights")) for group in _object(entry.get("config_groups")).values()]
    sizes = {size for part in (entry, *groups) if (size := _count(part, "group_size"))}
    said = (bits, *by_module.values(), *(_bits(group)[0] for group in groups))
    in_use = facts("quantization")["when_loaded"]
    return Quantization(
        method,
        bits,
        source,
        named,
        by_module,
        group_size=sizes.pop() if len(sizes) == 1 else None,
        group_sizes={name: size for name, part in modules.items() if (size := _count(part, "group_size"))},
        shapes={name: shape for name, part in modules.items() if (shape := _shape(part))},
        promised=frozenset(number for number in said if number is not None),
        is_when_loaded=any(entry.get(key) in values for key, values in in_use.items() if key != "source"),
    )


def _count(entry: Mapping[str, Any], key: str) -> int | None:
    value = entry.get(key)
    return value if type(value) is int and 0 < value < 2**32 else None


def _shape(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    outputs, inputs = _count(entry, "out_features"), _count(entry, "in_features")
    return (outputs, inputs) if outputs and inputs else None


def _bits(entry: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """Bits of one weight, and the algorithm where its name is what tells them."""
    for key, bits in (("load_in_4bit", 4), ("_load_in_4bit", 4), ("load_in_8bit", 8), ("_load_in_8bit", 8)):
        if entry.get(key) is True:
            return bits, None
    table = facts("quantization")
    groups = _object(entry.get("config_groups")).values()
    in_groups = {_object(_object(group).get("weights")).get("num_bits") for group in groups}
    stated = [at_path(entry, key) for key in table["bits_keys"]] + list(in_groups if len(in_groups) == 1 else ())
    for bits in stated:
        if type(bits) is int and 0 < bits <= 8:
            return bits, None
    for key in table["algorithm_keys"]:
        if (value := at_path(entry, key)) is not None and not in_groups:
            for rule in table["algorithms"]:
                if re.search(rule["pattern"], json.dumps(value), re.IGNORECASE):
                    return rule["bits"], str(value)
    return None, None


def _modules(entry: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Modules with settings of their own: MLX names them among its settings, others under a key."""
    settings = [entry, *(_object(entry.get(key)) for key in facts("quantization")["module_keys"])]
    for name, value in ((name, value) for part in settings for name, value in part.items()):
        if isinstance(value, dict) and ("." in name or {"bits", "group_size"} <= value.keys()):
            yield name, value
