"""Checkpoints that exist only as a config and tensor headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shape_audit.hub import Checkpoint, TensorHeader
from shape_audit.records import ModelRef

Shapes = dict[str, tuple[int, ...]]


def checkpoint(config: Mapping[str, Any], tensors: Mapping[str, TensorHeader], **side_files: Any) -> Checkpoint:
    """A Hub checkpoint; a side file `hf_quant_config` is the content of hf_quant_config.json."""
    documents = {f"{name}.json": content for name, content in side_files.items()}
    ref = ModelRef("hub", "org/name", "0" * 40)
    files = ("model.safetensors",)
    return Checkpoint(ref, config, tensors, files, None, side_files=documents)  # type: ignore[arg-type]


def headers(shapes: Mapping[str, tuple[int, ...]], dtype: str = "BF16") -> dict[str, TensorHeader]:
    return {name: TensorHeader(dtype, shape) for name, shape in shapes.items()}


WIDTH, FEED_FORWARD, VOCABULARY = 64, 192, 256
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 4, "hidden_size": WIDTH,
    "intermediate_size": FEED_FORWARD, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16,
    "vocab_size": VOCABULARY, "tie_word_embeddings": False,
}  # fmt: skip


def llama_block(heads: int = 8, key_value_heads: int = 2, head_dim: int = 16, inner: int = FEED_FORWARD) -> Shapes:
    return {
        "self_attn.q_proj.weight": (heads * head_dim, WIDTH),
        "self_attn.k_proj.weight": (key_value_heads * head_dim, WIDTH),
        "self_attn.v_proj.weight": (key_value_heads * head_dim, WIDTH),
        "self_attn.o_proj.weight": (WIDTH, heads * head_dim),
        "mlp.gate_proj.weight": (inner, WIDTH), "mlp.up_proj.weight": (inner, WIDTH),
        "mlp.down_proj.weight": (WIDTH, inner),
        "input_layernorm.weight": (WIDTH,), "post_attention_layernorm.weight": (WIDTH,),
    }  # fmt: skip


def llama(blocks: int = 4, **sizes: int) -> Shapes:
    """Names and shapes of a small Llama."""
    shapes: Shapes = {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    for index in range(blocks):
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in llama_block(**sizes).items()}
    return shapes | {"model.norm.weight": (WIDTH,), "lm_head.weight": (VOCABULARY, WIDTH)}


def elements(shapes: Shapes, *, but: str = "\0") -> int:
    """Numbers in all tensors whose name does not contain `but`."""
    total = 0
    for name, shape in shapes.items():
        size = 1
        for length in shape:
            size *= length
        total += size * (but not in name)
    return total
