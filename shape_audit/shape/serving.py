"""What depth and width cost when a model is run: its KV cache, its operations a token, its blocks in a row.

The cache is what transformers keeps: keys and values of every layer that has its own, or the compressed latent of
multi-head latent attention. A layer with a sliding window keeps no more than the window. A text has no part in layers
that attend to images: without one they are not run, and what they keep of one does not grow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from shape_audit.records import ModelShape, Serving
from shape_audit.shape.config_keys import text_part
from shape_audit.shape.tensor_facts import PASSED, TensorFacts, role_of
from shape_audit.shipped import facts

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
STORED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}


def serving_of(config: Mapping[str, Any], shape: ModelShape, tensors: TensorFacts) -> Serving | None:
    """What running the model costs; None where it is not dense, or has not all of its parameters in known places.

    Args:
        config: config.json.
    """
    if not shape.is_dense or not shape.has_known_roles or shape.quantization is not None:
        return None
    text, text_type = text_part(config)
    dtype = _dtype(config, text, tensors)
    in_blocks, for_images = _block_matrices(tensors), _for_images(tensors)
    matrices = tensors.matrix_weights - sum(in_blocks[layer] for layer in for_images)
    if in_blocks and any(key in text for key in facts("config_facts")["stored_layers_keys"]):
        # stacks of like blocks, each run several times
        matrices = shape.num_hidden_layers * sum(in_blocks.values()) // len(in_blocks)
    elements = _cache_elements(text, text_type, shape)
    elements = [0 if layer in for_images else n for layer, n in enumerate(elements)] if elements else None
    of_windows = _windowed(text, text_type, shape.num_hidden_layers) if elements else []
    beyond = sum(n for n, is_windowed in zip(elements or (), of_windows, strict=True) if not is_windowed)
    output = tensors.output_matrix or (shape.vocab_size or 0) * (tensors.embedding_width or shape.hidden_size)
    return Serving.model_construct(  # as `yardsticks.cost` does
        kv_cache_bytes_per_token=sum(elements) * BYTES[dtype] if elements else None,
        kv_cache_bytes_per_token_beyond_windows=beyond * BYTES[dtype] if elements else None,
        kv_cache_dtype=dtype,
        forward_flops_per_token=2 * (matrices + output),
        sequential_blocks=shape.num_hidden_layers - len(for_images),
    )


def _dtype(config: Mapping[str, Any], text: Mapping[str, Any], tensors: TensorFacts) -> str:
    """What transformers loads the model in, and fills its cache in: the config's, of a nested one that of the whole,
    and else that of the weights."""
    named = (level.get(key) for level in (config, text) for key in ("dtype", "torch_dtype"))
    if (stated := next((name for name in named if isinstance(name, str) and name in BYTES), None)) is not None:
        return stated
    counts: Counter[str] = Counter()
    for header in tensors.stored.tensors.values():
        if header.dtype in STORED:
            counts[STORED[header.dtype]] += header.numel
    return max(counts, key=lambda name: counts[name], default="float32")


def _cache_elements(text: Mapping[str, Any], text_type: str | None, shape: ModelShape) -> list[int] | None:
    """Numbers that each layer adds to the cache with each token; None where the config does not tell."""
    table, depth = facts("config_facts")["kv_cache"], shape.num_hidden_layers
    if any(text.get(key) for key in table["latent_keys"]):
        parts = [text.get(key) for key in table["latent_keys"]]
        return [sum(parts)] * depth if all(type(part) is int for part in parts) else None  # type: ignore[arg-type]
    heads, head_dim = shape.num_key_value_heads or shape.num_attention_heads, shape.head_dim
    if any(text_type in rule["types"] and text.get(rule["key"]) for rule in table["expanded"]):
        heads = shape.num_attention_heads
    if not heads or not head_dim or any(isinstance(text.get(key), list) for key in table["by_layer_keys"]):
        return None
    full_heads, full_head_dim = (text.get(key) for key in table["full_layer_keys"])
    elements = []
    for layer, is_windowed in enumerate(_windowed(text, text_type, depth)):
        own = _own_settings(text, str(layer))
        usual = (heads, head_dim) if is_windowed else (full_heads or heads, full_head_dim or head_dim)
        of_layer = own.get("num_key_value_heads") or usual[0], own.get("head_dim") or usual[1]
        if not all(type(size) is int for size in of_layer):
            return None
        elements.append(2 * of_layer[0] * of_layer[1])
    shared = next((text[key] for key in table["shared_keys"] if type(text.get(key)) is int), 0)
    return elements[: depth - shared] + [0] * shared if 0 <= shared < depth else None


def _block_matrices(tensors: TensorFacts) -> dict[int, int]:
    """Numbers in the matrices of each block."""
    if (stack := tensors.decoder) is None:
        return {}
    return {
        layer: sum(h.numel for n, h in block.items() if len(h.shape) > 1 and role_of(stack.name_of(layer, n)) in PASSED)
        for layer, block in stack.blocks.items()
    }


def _for_images(tensors: TensorFacts) -> set[int]:
    """Layers that attend to images alone."""
    pattern = re.compile(facts("config_facts")["kv_cache"]["cross_attention"]["pattern"])
    blocks = tensors.decoder.blocks if tensors.decoder else {}
    return {layer for layer, block in blocks.items() if any(pattern.search(name) for name in block)}


def _windowed(text: Mapping[str, Any], text_type: str | None, depth: int) -> list[bool]:
    """Of each layer, whether it keeps a window of tokens alone."""
    table = facts("config_facts")["kv_cache"]
    types = text.get("layer_types")
    if isinstance(types, list) and len(types) == depth:
        return [kind in table["windowed_types"] for kind in types]
    if (period := table["full_every"].get(text_type)) is not None:
        stated = text.get(table["period_key"])
        period = stated if type(stated) is int and stated > 0 else period
        return [bool((layer + 1) % period) for layer in range(depth)]
    is_switched_on = text.get(table["switch"], text_type not in table["off_by_default"])
    has_window = any(type(text.get(key)) is int for key in table["window_keys"])
    if not is_switched_on or not has_window or text_type in table["whole_cache"]:
        return [False] * depth
    first = text.get(table["first_windowed_key"])
    return [layer >= (first if type(first) is int else 0) for layer in range(depth)]


def _own_settings(text: Mapping[str, Any], layer: str) -> Mapping[str, Any]:
    """What the config says of one layer alone."""
    by_layer = text.get("per_layer_config")
    own = by_layer.get(layer) if isinstance(by_layer, dict) else None
    return own if isinstance(own, dict) else {}
