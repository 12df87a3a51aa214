"""Faults that all blocks share, so that none of them tells of the others: sizes, strays, another type's name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shape_audit.hub import TensorHeader
from tests.checks.checkpoints import BLOCKS, Tensors, set_config, set_tensors, write_clean
from tests.checks.test_kinds_of_blocks import bad, write


@pytest.mark.parametrize(
    ("part", "cut", "field"),
    [("self_attn.q_proj", 16, "head_dim"), ("self_attn.k_proj", 16, "num_key_value_heads"),
     ("self_attn.o_proj", 1, "head_dim"), ("mlp.up_proj", 64, "intermediate_size")],
)  # fmt: skip
def test_a_matrix_cut_in_all_blocks_alike_is_told_by_the_others(
    part: str, cut: int, field: str, tmp_path: Path
) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda t: t.update({n: a[:-cut] for n, a in t.items() if n.endswith(f"{part}.weight")}))(folder)
    assert bad(folder) == [("SA304", field)]


def test_a_tensor_that_no_model_of_the_type_has_is_found_in_all_blocks(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    more = {f"model.layers.{index}.extra_proj.weight": np.ones((3, 5), "<f4") for index in range(BLOCKS)}
    set_tensors(lambda t: t.update(more))(folder)
    assert bad(folder) == [("SA302", "model.layers.{0-3}.extra_proj.weight")]


@pytest.mark.parametrize("other", ["gpt2", "gpt_neox", "opt", "bloom"])
def test_blocks_of_another_type_are_one_finding(other: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(model_type=other)(folder)
    assert bad(folder) == [("SA304", "model_type")]


@pytest.mark.parametrize("field", ["intermediate_size", "num_key_value_heads", "head_dim"])
def test_a_zero_where_there_are_tensors_is_no_promise(field: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**{field: 0})(folder)
    assert bad(folder) == [("SA304", field)]


def with_biases(tensors: Tensors) -> None:
    for name in [name for name in tensors if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))]:
        tensors[name.replace(".weight", ".bias")] = np.ones(len(tensors[name]), "<f4")


@pytest.mark.parametrize(
    ("config", "change", "found"),
    [
        ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, len, ["SA301"]),
        ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, with_biases, []),
        ({"attention_bias": True}, len, ["SA301"]),
        ({}, with_biases, ["SA302"]),
        ({"qkv_bias": True}, with_biases, []),  # some types have another name for the switch
        ({"model_type": "mistral", "architectures": ["MistralForCausalLM"]}, with_biases, ["SA302"]),
    ],
)
def test_biases_are_those_that_type_and_config_ask_for(
    config: dict[str, Any], change: Callable[[Tensors], object], found: list[str], tmp_path: Path
) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**config)(folder)
    set_tensors(change)(folder)
    assert [rule for rule, _ in bad(folder)] == found


GPT2 = {
    "wte.weight": (256, 64), "wpe.weight": (32, 64), "ln_f.weight": (64,), "ln_f.bias": (64,),
    **{f"h.{index}.{rest}": shape for index in range(3) for rest, shape in {
        "attn.c_attn.weight": (64, 192), "attn.c_attn.bias": (192,), "attn.c_proj.weight": (64, 64),
        "attn.c_proj.bias": (64,), "mlp.c_fc.weight": (64, 256), "mlp.c_fc.bias": (256,), "ln_1.weight": (64,),
        "mlp.c_proj.weight": (256, 64), "mlp.c_proj.bias": (64,), "ln_1.bias": (64,), "ln_2.weight": (64,),
        "ln_2.bias": (64,)}.items()},
}  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "positions", "found"),
    [
        ("none", 32, []),
        ("wpe", 32, [("SA301", "wpe.weight")]),
        ("ln_f", 32, [("SA301", "ln_f")]),
        ("none", 64, [("SA304", "max_position_embeddings")]),
    ],
)
def test_positions_and_last_norm_of_gpt2(
    lost: str, positions: int, found: list[tuple[str, str]], tmp_path: Path
) -> None:
    headers = {name: TensorHeader("F32", shape) for name, shape in GPT2.items() if not name.startswith(lost)}
    sizes = {"n_embd": 64, "n_layer": 3, "n_head": 8, "n_positions": positions, "vocab_size": 256}
    folder = write(tmp_path / "model", headers)
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "dtype": "float32", **sizes}
    (folder / "config.json").write_text(json.dumps(config))
    assert bad(folder) == found
