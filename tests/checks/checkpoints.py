"""A small checkpoint with nothing wrong in it, made of bytes alone, and ways to spoil it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from shape_audit.hub.builtin_models import builtin_folder

BLOCKS, WIDTH, FEED_FORWARD, VOCABULARY = 4, 64, 192, 256
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": BLOCKS, "hidden_size": WIDTH,
    "intermediate_size": FEED_FORWARD, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": VOCABULARY,
    "max_position_embeddings": 64, "tie_word_embeddings": False, "dtype": "float32", "hidden_act": "silu",
    "rms_norm_eps": 1e-5, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
IN_BLOCK = {
    **{f"self_attn.{name}_proj.weight": (WIDTH, WIDTH) for name in "qkvo"},
    "mlp.gate_proj.weight": (FEED_FORWARD, WIDTH), "mlp.up_proj.weight": (FEED_FORWARD, WIDTH),
    "mlp.down_proj.weight": (WIDTH, FEED_FORWARD),
    "input_layernorm.weight": (WIDTH,), "post_attention_layernorm.weight": (WIDTH,),
}  # fmt: skip
DTYPES = {"<f4": "F32", "<f2": "F16", "<f8": "F64"}

Tensors = dict[str, np.ndarray]


def clean_tensors() -> Tensors:
    """Name -> values, as the architecture has them."""
    generator = np.random.default_rng(0)
    shapes = {
        "model.embed_tokens.weight": (VOCABULARY, WIDTH),
        **{f"model.layers.{i}.{rest}": shape for i in range(BLOCKS) for rest, shape in IN_BLOCK.items()},
        "model.norm.weight": (WIDTH,), "lm_head.weight": (VOCABULARY, WIDTH),
    }  # fmt: skip
    return {name: generator.normal(size=shape).astype("<f4") for name, shape in shapes.items()}


def safetensors_bytes(tensors: Tensors, change: Callable[[dict[str, Any]], object] = lambda header: None) -> bytes:
    """A safetensors file, its header changed by `change` before it is written."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, values in tensors.items():
        header[name] = {"dtype": DTYPES[values.dtype.str], "shape": list(values.shape),
                        "data_offsets": [position, position + values.nbytes]}  # fmt: skip
        position += values.nbytes
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(values.tobytes() for values in tensors.values())


def write_clean(folder: Path) -> Path:
    """The checkpoint, with config, weights and tokenizer."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(safetensors_bytes(clean_tensors()))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(builtin_folder("bytes-1m") / file, folder / file)
    return folder


def write_sharded(folder: Path, change: Callable[[dict[str, Any]], object] = lambda index: None) -> None:
    """The same in two shards with an index."""
    tensors = clean_tensors()
    (folder / "model.safetensors").unlink()
    names = list(tensors)
    shards = {"model-00001-of-00002.safetensors": names[:20], "model-00002-of-00002.safetensors": names[20:]}
    for file, some in shards.items():
        (folder / file).write_bytes(safetensors_bytes({name: tensors[name] for name in some}))
    index = {
        "metadata": {"total_size": sum(values.nbytes for values in tensors.values())},
        "weight_map": {name: file for file, some in shards.items() for name in some},
    }
    change(index)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def set_config(**values: Any) -> Callable[[Path], None]:
    """Spoil config.json."""

    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text()) | values
        (folder / "config.json").write_text(json.dumps(config))

    return spoil


def set_tensors(change: Callable[[Tensors], object]) -> Callable[[Path], None]:
    """Spoil the tensors."""

    def spoil(folder: Path) -> None:
        tensors = clean_tensors()
        change(tensors)
        (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))

    return spoil


def set_header(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Spoil the header of the weights."""

    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(safetensors_bytes(clean_tensors(), change))

    return spoil


def resized(tensors: Tensors, **shapes: Iterable[int]) -> None:
    """Give every tensor whose name ends so another shape."""
    for name in list(tensors):
        for end, shape in shapes.items():
            if name.endswith(end.replace("__", ".")):
                tensors[name] = np.random.default_rng(0).normal(size=tuple(shape)).astype("<f4")
