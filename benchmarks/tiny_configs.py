"""A config of a few thousand parameters for every causal-LM type of transformers, from the type's own default config.

Sizes are replaced by name, whatever type they belong to; lists that have one entry a layer are left to the config
class. `SETTINGS` has what single types need beside that.
"""

from __future__ import annotations

from typing import Any

from transformers import CONFIG_MAPPING, PretrainedConfig

DEPTH, WIDTH, VOCABULARY, POSITIONS = 4, 32, 256, 64

SIZES: dict[str, int] = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers",
                     "num_decoder_layers", "num_encoder_layers", "num_blocks"), DEPTH),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "embedding_size", "embedding_dim", "word_embed_proj_dim",
                     "emb_dim", "lru_width", "attention_head_dim", "input_embedding_size"), WIDTH),
    **dict.fromkeys(("vocab_size", "decoder_vocab_size", "vocab_size_per_layer_input", "unpadded_vocab_size"),
                    VOCABULARY),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "model_max_length",
                     "max_target_positions", "original_max_position_embeddings", "context_length"), POSITIONS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "attention_heads", "decoder_attention_heads",
                     "encoder_attention_heads", "num_decoder_attention_heads", "num_encoder_attention_heads",
                     "swa_num_attention_heads", "index_n_heads", "linear_num_value_heads", "linear_num_heads",
                     "num_query_groups"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads", "linear_num_key_heads",
                     "num_global_key_value_heads", "multi_query_group_num"), 2),
    **dict.fromkeys(("head_dim", "kv_channels", "v_head_dim", "qk_nope_head_dim", "qk_head_dim", "dim_head", "d_head",
                     "swa_head_dim", "global_head_dim", "linear_key_head_dim", "linear_value_head_dim",
                     "linear_head_dim", "index_head_dim", "qk_rope_head_dim", "attention_head_size",
                     "rotary_dim"), 8),
    **dict.fromkeys(("intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size", "ffn_dim",
                     "decoder_ffn_dim", "encoder_ffn_dim", "ffn_hidden_size", "n_inner", "dff", "dim_ff", "d_inner",
                     "expert_ffn_hidden_size", "shared_experts_intermediate_size", "shared_intermediate_size",
                     "dense_intermediate_size", "intermediate_size_mlp", "moe_shared_expert_intermediate_size",
                     "feed_forward_size", "expert_intermediate_size"), 64),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token", "top_k_experts"), 2),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group"), 1),
    "first_k_dense_replace": 1, "kv_lora_rank": 16, "q_lora_rank": 16, "o_lora_rank": 16, "index_topk": 16,
    "mamba_d_state": 8, "state_size": 8, "ssm_state_size": 8, "mamba_n_heads": 8, "mamba_num_heads": 8,
    "mamba_d_head": 8, "mamba_head_dim": 8, "mamba_headdim": 16, "mamba_dt_rank": 4, "time_step_rank": 4,
    "num_heads": 4, "chunk_size": 16, "mamba_chunk_size": 16, "block_size": 16, "mamba_d_ssm": 64,
    "sliding_window": 16, "window_size": 16, "local_attention": 16, "attention_window_size": 16,
    "attention_chunk_size": 16, "hidden_size_per_layer_input": 8, "laurel_rank": 8,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 3, "cls_token_id": 4,
}  # fmt: skip
"""Field of a config -> its value, where the type's default config has that field at all."""

_EQUAL_HEADS: dict[str, Any] = {"num_key_value_heads": 4}
_ROPE: dict[str, Any] = {"head_dim": 8, "num_key_value_heads": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "num_key_value_heads": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "hunyuan_v1_dense": _ROPE,
    "hunyuan_v1_moe": _ROPE,
    "mamba2": {"num_heads": 8, "head_dim": 8, "expand": 2},
    "ministral": _ROPE,
    "nemotron": {"num_key_value_heads": 2},
    "qwen4_exp_text": {
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
    },
    "qwen4_exp": {
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
    },
    "reformer": {
        "is_decoder": True,
        "axial_pos_shape": [8, 8],
        "axial_pos_embds_dim": [16, 16],
        "attn_layers": ["local"] * 4,
        "local_attn_chunk_length": 16,
    },
    "zamba": {"num_hidden_layers": 5, "attn_layer_period": 2, "attn_layer_offset": 1},
    "zamba2": {
        "layer_types": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
        "mamba_headdim": 8,
        "hybrid_layer_ids": [1, 3],
    },
    "xmod": {"default_language": "en_XX", "is_decoder": True},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": 10000.0} for kind in ("sliding_attention", "full_attention")
        },
    },
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv"]},
    "zaya": {"num_experts_per_tok": 1},
}
"""Type -> fields it needs beside those."""


def tiny_config(model_type: str, **changes: Any) -> PretrainedConfig:
    """A small config of a type; raises whatever its class raises of one that it cannot take.

    Args:
        **changes: fields of the text model's config that shall be otherwise.
    """
    made = CONFIG_MAPPING[model_type]
    settings = SETTINGS.get(model_type, {}) | changes
    fields = made().to_dict()
    if not isinstance(fields.get("text_config"), dict):
        return made(**_shrunk(fields) | settings)
    parts = {
        name: _shrunk(part) for name, part in fields.items() if name.endswith("_config") and isinstance(part, dict)
    }
    return made(**parts | {"text_config": parts["text_config"] | settings})


def _shrunk(fields: dict[str, Any]) -> dict[str, Any]:
    """The same kind of config, its sizes replaced, what is given layer by layer left out."""
    kept = {"model_type": fields["model_type"]} if "model_type" in fields else {}
    sizes = {name: size for name, size in SIZES.items() if type(fields.get(name)) is int}
    if "kv_lora_rank" in fields:  # latent attention: a key for every query head
        sizes |= {"num_key_value_heads": sizes["num_attention_heads"], "qk_head_dim": 16, "head_dim": 8}
    return kept | sizes
