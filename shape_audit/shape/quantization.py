"""How the weights are quantised, as config.json or a file beside it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shape_audit.shape.config_keys import at_path, string
from shape_audit.shape.shipped_data import facts


@dataclass(frozen=True)
class Quantization:
    """How the weights are quantised.

    Attributes:
        method: gptq, awq, bitsandbytes, fp8, modelopt, mlx ...
        bits: of one weight; None where it is not said, or differs from module to module.
        source: the file that says so.
        algorithm: of methods that have several: NVFP4, int4_weight_only ...
        modules: name of a module -> bits of its weights, where they are not `bits`.
    """

    method: str
    bits: int | None
    source: str = "config.json"
    algorithm: str | None = None
    modules: Mapping[str, int | None] = field(default_factory=dict)

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
        if (entry := _object(level.get("quantization_config"))) and entry.get("format") != "dense":
            return _read(entry, "config.json", _method(entry, level))
        if (entry := _object(level.get("quantization"))) and "bits" in entry:
            return _read(entry, "config.json", "mlx")
    for file, rule in facts("quantization")["side_files"].items():
        content = side_files.get(file, {})
        if entry := _object(content.get(rule["at"])) if rule["at"] else content:
            return _read(entry, file, string(entry.get("quant_method")) or rule["method"])
    return None


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
    return Quantization(method, bits, source, named, dict(_modules(entry)))


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


def _modules(entry: Mapping[str, Any]) -> Iterator[tuple[str, int | None]]:
    """Modules with bits of their own: MLX names them among its settings, others under a key."""
    settings = [entry, *(_object(entry.get(key)) for key in facts("quantization")["module_keys"])]
    for name, value in ((name, value) for part in settings for name, value in part.items()):
        if "." in name and isinstance(value, dict):
            yield name, _bits(value)[0]
