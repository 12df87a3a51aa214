"""What serving costs, against the caches that transformers fills and the operations that torch counts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from shape_audit.hub import parse_model, read_checkpoint
from shape_audit.records import Serving
from shape_audit.shape import describe
from tests.tiny_models import CASES, LLAMA_LIKE, save_tiny

WINDOW = 8
"""Of the cases that have one."""
DEEPER: dict[str, tuple[str, dict[str, Any]]] = {
    "mla": ("YoutuConfig", {**LLAMA_LIKE, "num_key_value_heads": 4, "kv_lora_rank": 8, "q_lora_rank": 8,
                            "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 6,
                            "tie_word_embeddings": True}),
    "shared": ("Gemma4TextConfig", {**LLAMA_LIKE, "num_hidden_layers": 6, "head_dim": 8, "global_head_dim": 12,
                                    "num_kv_shared_layers": 2, "vocab_size_per_layer_input": 4096,
                                    "hidden_size_per_layer_input": 4, "sliding_window": WINDOW,
                                    "layer_types": ["sliding_attention", "full_attention"] * 3}),
    "chunked-by-switch": ("Qwen2Config", {**LLAMA_LIKE, "num_hidden_layers": 4, "use_sliding_window": True,
                                          "sliding_window": WINDOW, "max_window_layers": 3}),
    "recurrent": ("HrmTextConfig", {**LLAMA_LIKE, "num_key_value_heads": 4, "head_dim": 6}),
    "five-to-one": ("Gemma3TextConfig", {**LLAMA_LIKE, "num_hidden_layers": 7, "head_dim": 8,
                                         "sliding_window": WINDOW}),
}  # fmt: skip


def saved(name: str, folder: Path) -> Any:
    """A tiny model, saved; returned as loaded from there, so that it is what its config.json says."""
    if name in CASES:
        save_tiny(folder, name)
    else:
        class_name, settings = DEEPER[name]
        config = getattr(transformers, class_name)(**settings)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def serving_at(folder: Path) -> Serving:
    serving = describe(read_checkpoint(parse_model(folder))).serving
    assert serving is not None
    return serving


def cache_bytes(model: Any, tokens: int) -> int:
    """What the cache holds after so many tokens, as the model fills it."""
    cache = transformers.DynamicCache(config=model.config)
    with torch.no_grad():
        model(torch.arange(tokens)[None], past_key_values=cache, use_cache=True)
    tensors = [t for layer in cache.layers for t in (getattr(layer, "keys", None), getattr(layer, "values", None))]
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


@pytest.mark.parametrize(
    "name", sorted({*CASES, *DEEPER} - {"stablelm"})
)  # it turns 1 1/2 of 6 channels of a tiny head
def test_the_cache_grows_as_it_does_in_transformers(name: str, tmp_path: Path) -> None:
    model, serving = saved(name, tmp_path), serving_at(tmp_path)
    assert serving.kv_cache_dtype == "float32" and serving.sequential_blocks == model.config.num_hidden_layers
    assert serving.kv_cache_bytes_per_token == cache_bytes(model, 4) - cache_bytes(model, 3)
    grown = cache_bytes(model, 3 * WINDOW + 1) - cache_bytes(model, 3 * WINDOW)
    assert serving.kv_cache_bytes_per_token_beyond_windows == grown


@pytest.mark.parametrize("name", ["gemma2", "five-to-one", "chunked-by-switch", "exaone4"])
def test_older_configs_name_no_types_of_layers(name: str, tmp_path: Path) -> None:
    saved(name, tmp_path)
    before = serving_at(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["layer_types"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert serving_at(tmp_path) == before
    assert before.kv_cache_bytes_per_token != before.kv_cache_bytes_per_token_beyond_windows


def operations(model: Any, tokens: int = 7) -> int:
    """Of the matrix products of one token alone: with one token, attention's own are told apart by their operator."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.arange(tokens)[None], use_cache=False)
    counts = counter.get_flop_counts()["Global"]
    return sum(n for op, n in counts.items() if str(op) in ("aten.mm", "aten.addmm")) // tokens


@pytest.mark.parametrize("name", [*CASES, "mla", "five-to-one", "recurrent"])
def test_operations_are_those_that_torch_counts(name: str, tmp_path: Path) -> None:
    model, serving = saved(name, tmp_path), serving_at(tmp_path)
    assert serving.forward_flops_per_token == operations(model)


def test_layers_that_look_at_images_cost_a_text_nothing(tmp_path: Path) -> None:
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    settings = LLAMA_LIKE | {"num_hidden_layers": 4, "cross_attention_layers": [1, 3], **tokens}
    model = transformers.MllamaForCausalLM(transformers.MllamaTextConfig(**settings)).eval()
    model.save_pretrained(tmp_path)
    serving = serving_at(tmp_path)
    assert serving.kv_cache_bytes_per_token == cache_bytes(model, 4) - cache_bytes(model, 3) > 0
    assert serving.forward_flops_per_token == operations(model) and serving.sequential_blocks == 2


def test_the_dtype_is_the_one_that_transformers_loads_in(tmp_path: Path) -> None:
    inner = transformers.Gemma3TextConfig(**DEEPER["five-to-one"][1], dtype="float32")
    outer = transformers.Gemma3Config(text_config=inner, vision_config={"hidden_size": 12, "num_hidden_layers": 1})
    transformers.AutoModelForCausalLM.from_config(outer).bfloat16().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for whole, of_text in (("float16", "float32"), (None, None)):  # a cast model's, of which the top alone was changed
        config["dtype"] = whole
        config["text_config"]["dtype"] = of_text
        (tmp_path / "config.json").write_text(json.dumps(config))
        model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
        assert serving_at(tmp_path).kv_cache_dtype == str(model.dtype).removeprefix("torch.") == (whole or "bfloat16")


def test_what_the_config_does_not_tell(tmp_path: Path) -> None:
    save_tiny(tmp_path, "llama")
    config = json.loads((tmp_path / "config.json").read_text())
    config["num_key_value_heads"] = [2, 1]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert serving_at(tmp_path).kv_cache_bytes_per_token is None
    config |= {"num_key_value_heads": 2, "dtype": "bfloat16"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert serving_at(tmp_path).kv_cache_bytes_per_token == 2 * 2 * 2 * 6 * 2
