"""Every language-model type of the installed transformers as a checkpoint on disk: real headers, no data.

A model is built on the meta device and saved with its own `save_pretrained`, so that names, renaming, tying, sharding,
index and side files are transformers' own. Only the last step, writing bytes, is replaced: a sparse file of the same
header is written, since a meta tensor has no bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from shape_audit.hub import TensorHeader, raw_header

REDUCED_LAYERS, REDUCED_EXPERTS, REDUCED_SHARED = 12, 4, 4
"""Layers: a multiple of the periods in which layer types alternate, 2, 3, 4 and 6; those of them that share a cache."""
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers", "depth",
          "num_blocks")  # fmt: skip
SAFETENSORS = {
    torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.float64: "F64", torch.int64: "I64",
    torch.int32: "I32", torch.uint8: "U8", torch.int8: "I8", torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e8m0fnu: "F8_E8M0", torch.complex64: "C64",
}  # fmt: skip

SETTINGS: dict[str, dict[str, Any]] = {
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "ministral": {"head_dim": 128},
    "nemotron": {"num_key_value_heads": 48},
    "reformer": {"is_decoder": True},
    "dots1": {"n_routed_experts": 128},
}
"""What the default config of a type leaves out and its own model needs."""


def model_types() -> dict[str, str]:
    """Model type -> the class that transformers names for it; of nested types the one with its image tower."""
    names = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES | MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return {model_type: name if isinstance(name, str) else name[0] for model_type, name in names.items()}


def build(model_type: str, class_name: str, *, is_reduced: bool) -> Any:
    """The model of a type's default config on the meta device, or of one with fewer layers and experts."""
    config = CONFIG_MAPPING[model_type](**SETTINGS.get(model_type, {}))
    return _built(class_name, CONFIG_MAPPING[model_type].from_dict(reduced(config.to_dict())) if is_reduced else config)


def build_from(model_type: str, class_name: str, config: dict[str, Any]) -> Any:
    """The model of a config on the meta device."""
    return _built(class_name, CONFIG_MAPPING[model_type].from_dict(config))


def _built(class_name: str, config: Any) -> Any:
    with torch.device("meta"):
        model = getattr(transformers, class_name)._from_config(config, dtype=torch.bfloat16)
    model.tie_weights()
    return model


def reduced(config: dict[str, Any], layers: int = REDUCED_LAYERS, shared: int = REDUCED_SHARED) -> dict[str, Any]:
    """Fewer layers and experts, at every level; lists of an entry a layer get shorter with them."""
    depth = next((config[key] for key in DEPTHS if type(config.get(key)) is int), None)
    smaller: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            by_layer = all(str(name).isdigit() for name in value)
            kept = {name: entry for name, entry in value.items() if not by_layer or int(name) < layers}
            smaller[key] = reduced(kept, layers, shared)
        elif depth and _is_by_layer(key, value) and len(value) == depth > layers:
            smaller[key] = value[:layers]
        elif key in DEPTHS and type(value) is int:
            smaller[key] = min(value, layers)
        elif key == "num_kv_shared_layers" and type(value) is int:
            smaller[key] = min(value, shared)
        elif key in EXPERTS and type(value) is int:
            smaller[key] = min(value, REDUCED_EXPERTS)
        else:
            smaller[key] = value
    return smaller


def _is_by_layer(key: str, value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and "pattern" in key)


def save(model: Any, folder: Path) -> None:
    """What `save_pretrained` writes, as sparse files."""
    with _writing_headers_only():
        model.save_pretrained(folder, max_shard_size=10**18)  # views of one meta tensor each count as all of it


@contextmanager
def _writing_headers_only() -> Iterator[None]:
    original = transformers.modeling_utils.safe_save_file
    transformers.modeling_utils.safe_save_file = _write_header
    try:
        yield
    finally:
        transformers.modeling_utils.safe_save_file = original


def _write_header(tensors: dict[str, torch.Tensor], filename: str, metadata: object = None) -> None:
    write_sparse(Path(filename), {n: TensorHeader(SAFETENSORS[t.dtype], tuple(t.shape)) for n, t in tensors.items()})


def write_sparse(path: Path, headers: dict[str, TensorHeader]) -> None:
    """A safetensors file with these headers and a hole in the place of its data."""
    content, size = raw_header(headers)
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(len(content) + size)
