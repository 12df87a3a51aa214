"""Two-layer models of random weights, one a supported architecture, made from configs of transformers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import transformers

from shape_audit.hub.builtin_models import builtin_folder

VOCABULARY = 256
LLAMA_LIKE = {
    "vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.2,
}  # fmt: skip
GPT2_LIKE = {
    "vocab_size": VOCABULARY, "n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 64, "initializer_range": 0.2,
}  # fmt: skip
FALCON_LIKE = {
    "vocab_size": VOCABULARY, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "initializer_range": 0.2,
}  # fmt: skip
OPT_LIKE = {
    "vocab_size": VOCABULARY, "hidden_size": 24, "ffn_dim": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "word_embed_proj_dim": 24, "init_std": 0.2,
}  # fmt: skip

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", LLAMA_LIKE),
    "llama-tied": ("LlamaConfig", {**LLAMA_LIKE, "tie_word_embeddings": True}),
    "mistral": ("MistralConfig", {**LLAMA_LIKE, "sliding_window": 8}),
    "qwen2": ("Qwen2Config", LLAMA_LIKE),
    "qwen3": ("Qwen3Config", {**LLAMA_LIKE, "head_dim": 8}),
    "gemma2": ("Gemma2Config", {**LLAMA_LIKE, "head_dim": 8, "sliding_window": 8, "final_logit_softcapping": 2.0}),
    "gpt2": ("GPT2Config", GPT2_LIKE),
    "gpt2-untied": ("GPT2Config", {**GPT2_LIKE, "tie_word_embeddings": False}),
    "gpt_neox": ("GPTNeoXConfig", {**LLAMA_LIKE, "num_key_value_heads": None, "rotary_pct": 0.5}),
    "gemma3": ("Gemma3TextConfig", {**LLAMA_LIKE, "head_dim": 8, "sliding_window": 8}),
    "phi3": ("Phi3Config", LLAMA_LIKE),
    "olmo2": ("Olmo2Config", LLAMA_LIKE),
    "smollm3": ("SmolLM3Config", LLAMA_LIKE),
    "granite": ("GraniteConfig", {**LLAMA_LIKE, "embedding_multiplier": 3.0, "logits_scaling": 2.0}),
    "stablelm": ("StableLmConfig", LLAMA_LIKE),
    "starcoder2": ("Starcoder2Config", LLAMA_LIKE),
    "cohere": ("CohereConfig", {**LLAMA_LIKE, "logit_scale": 0.5}),
    "exaone4": ("Exaone4Config", {**LLAMA_LIKE, "sliding_window": 8}),
    "gpt_neo": (
        "GPTNeoConfig",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 24,
            "num_layers": 2,
            "num_heads": 4,
            "intermediate_size": 40,
            "max_position_embeddings": 64,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 8,
        },
    ),
    "gptj": ("GPTJConfig", {**GPT2_LIKE, "rotary_dim": 4}),
    "bloom": ("BloomConfig", {"vocab_size": VOCABULARY, "hidden_size": 24, "n_layer": 2, "n_head": 4}),
    "falcon": ("FalconConfig", FALCON_LIKE),
    "falcon-new": ("FalconConfig", {**FALCON_LIKE, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "opt": ("OPTConfig", OPT_LIKE),
    "opt-projected": ("OPTConfig", {**OPT_LIKE, "word_embed_proj_dim": 12, "do_layer_norm_before": False}),
}
"""Name -> config class of transformers and what differs from its defaults. Dropout stays at its default."""


def tiny_model(name: str, dtype: torch.dtype = torch.float32, *, seed: int = 0) -> Any:
    """A causal LM of random weights in eval mode, the same for the same name and seed."""
    class_name, settings = CASES[name]
    settings = {key: value for key, value in settings.items() if value is not None}
    config = getattr(transformers, class_name)(bos_token_id=None, eos_token_id=None, pad_token_id=None, **settings)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    with torch.no_grad():  # biases and norms of a fresh model are zeros and ones, which hides mistakes
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    return model.requires_grad_(False)


def save_tiny(folder: Path, name: str, *, seed: int = 0, **save_options: Any) -> Path:
    """A tiny model as a Hub-style folder, with the byte tokenizer of the built-in model."""
    tiny_model(name, seed=seed).save_pretrained(folder, **save_options)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(builtin_folder("bytes-1m") / file, folder / file)
    return folder
