"""Checkpoints of known shapes with random weights, and a byte tokenizer, for benchmarks that need no real ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from shape_audit.hub.builtin_models import builtin_folder

_LLAMA_3: dict[str, Any] = {
    "vocab_size": 128256, "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192,
    "rope_theta": 500000.0, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
LLAMA_1B: dict[str, Any] = {
    **_LLAMA_3, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "head_dim": 64,
    "tie_word_embeddings": True,
}  # fmt: skip
"""Llama-3.2-1B: 1.24e9 parameters."""
LLAMA_8B: dict[str, Any] = {
    **_LLAMA_3, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "head_dim": 128,
    "tie_word_embeddings": False,
}  # fmt: skip
"""Llama-3.1-8B: 8.03e9 parameters."""


def save_with_tokenizer(model: Any, folder: Path, *, max_shard_size: str = "5GB") -> None:
    """Save a model as the Hub would have it."""
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    (folder / "generation_config.json").unlink(missing_ok=True)
    add_tokenizer(folder)


def add_tokenizer(folder: Path) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(builtin_folder("bytes-1m") / file, folder / file)


def write_random_gpt2(folder: Path) -> None:
    """GPT-2's shape, float32."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(bos_token_id=None, eos_token_id=None, architectures=["GPT2LMHeadModel"])
    save_with_tokenizer(GPT2LMHeadModel(config), folder)


def write_random_llama(config: dict[str, Any], folder: Path, *, shard_bytes: int = 500_000_000) -> None:
    """Write bfloat16 weights of a Llama a shard at a time, never holding more than one."""
    import json

    import torch
    from accelerate import init_empty_weights
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    llama = LlamaConfig(**config, dtype="bfloat16", architectures=["LlamaForCausalLM"])
    llama.save_pretrained(folder)
    with init_empty_weights():
        model = LlamaForCausalLM(llama)
    model.tie_weights()
    shapes = {name: weight.shape for name, weight in model.named_parameters()}  # a tied weight comes once
    shards: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        if shards[-1] and size + 2 * shape.numel() > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += 2 * shape.numel()
    generator = torch.Generator().manual_seed(0)
    weight_map = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {name: _random(shapes[name], generator) for name in names}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    total = sum(2 * shape.numel() for shape in shapes.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    add_tokenizer(folder)


def _random(shape: Any, generator: Any) -> Any:
    """Norms of one, the rest normal with the deviation 0.02 of a fresh Llama; large ones repeat a million numbers."""
    import torch

    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    numbers = (0.02 * torch.randn(1_000_003, generator=generator)).to(torch.bfloat16)
    return numbers.repeat(shape.numel() // len(numbers) + 1)[: shape.numel()].view(shape)
