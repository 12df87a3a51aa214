"""Quantised checkpoints are counted as the weights they stand for, whatever packs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shape_audit.hub import TensorHeader, read_checkpoint
from shape_audit.shape import describe, quantization_disagreement, read_config, read_tensors
from tests.checks.checkpoints import write_clean
from tests.shape.headers import CONFIG, checkpoint, elements, headers, llama

Packed = dict[str, TensorHeader]
Pack = Callable[[str, int, int], Packed]


def packed_llama(pack: Pack) -> Packed:
    """The small Llama, the matrices of its blocks packed."""
    tensors: Packed = {}
    for name, shape in llama().items():
        if name.endswith("_proj.weight"):
            tensors |= pack(name.removesuffix(".weight"), *shape)
        else:
            tensors[name] = TensorHeader("BF16", shape)
    return tensors


def mlx(bits: int) -> Pack:
    return lambda name, rows, columns: {
        f"{name}.weight": TensorHeader("U32", (rows, columns * bits // 32)),
        f"{name}.scales": TensorHeader("BF16", (rows, columns // 32)),
        f"{name}.biases": TensorHeader("BF16", (rows, columns // 32)),
    }


def mixed_mlx(name: str, rows: int, columns: int) -> Packed:
    return mlx(8 if "down" in name else 4)(name, rows, columns)


def gptq(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.qweight": TensorHeader("I32", (columns // 8, rows)),
        f"{name}.scales": TensorHeader("F16", (columns // 32, rows)),
        f"{name}.qzeros": TensorHeader("I32", (columns // 32, rows // 8)),
        f"{name}.g_idx": TensorHeader("I32", (columns,)),
    }


def awq(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.qweight": TensorHeader("I32", (columns, rows // 8)),
        f"{name}.scales": TensorHeader("F16", (columns // 32, rows)),
        f"{name}.qzeros": TensorHeader("I32", (columns // 32, rows // 8)),
    }


def compressed_int4(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight_packed": TensorHeader("I32", (rows, columns // 8)),
        f"{name}.weight_scale": TensorHeader("BF16", (rows, columns // 32)),
        f"{name}.weight_shape": TensorHeader("I64", (2,)),
    }


def nvfp4(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight": TensorHeader("U8", (rows, columns // 2)),
        f"{name}.weight_scale": TensorHeader("F8_E4M3", (rows, columns // 16)),
        f"{name}.weight_scale_2": TensorHeader("F32", ()),
        f"{name}.input_scale": TensorHeader("F32", ()),
    }


def modelopt_awq(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight": TensorHeader("U8", (rows // 2, columns)),
        f"{name}.weight_scale": TensorHeader("BF16", (rows, columns // 32)),
        f"{name}.pre_quant_scale": TensorHeader("BF16", (columns,)),
    }


def fp8_blocks(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight": TensorHeader("F8_E4M3", (rows, columns)),
        f"{name}.weight_scale_inv": TensorHeader("F32", (rows // 32 or 1, columns // 32)),
    }


def fp8_scale(name: str, rows: int, columns: int) -> Packed:
    """As DeepSeek-V4 names it."""
    return {
        f"{name}.weight": TensorHeader("F8_E4M3", (rows, columns)),
        f"{name}.scale": TensorHeader("F8_E8M0", (rows // 32 or 1, columns // 32)),
    }


def bitsandbytes(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight": TensorHeader("U8", (rows * columns // 2, 1)),
        f"{name}.weight.absmax": TensorHeader("U8", (rows * columns // 64,)),
        f"{name}.weight.quant_map": TensorHeader("F32", (16,)),
        f"{name}.weight.nested_absmax": TensorHeader("F32", (1,)),
        f"{name}.weight.quant_state.bitsandbytes__nf4": TensorHeader("U8", (83,)),
    }


def bitnet(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight": TensorHeader("U8", (rows // 4, columns)),
        f"{name}.weight_scale": TensorHeader("BF16", (1,)),
    }


def hqq(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.W_q": TensorHeader("U8", (rows * columns // 128, 64)),
        f"{name}.scale": TensorHeader("F16", (rows * columns // 64, 1)),
        f"{name}.zero": TensorHeader("F16", (rows * columns // 64, 1)),
        f"{name}.stores_quant_config": TensorHeader("U8", (1,)),
    }


def int8(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight": TensorHeader("I8", (rows, columns)),
        f"{name}.weight_scale": TensorHeader("F32", (rows, 1)),
        f"{name}.SCB": TensorHeader("F32", (rows,)),
    }


def exl2(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.q_weight": TensorHeader("I32", (columns * 5 // 32, rows)),
        f"{name}.q_scale": TensorHeader("I32", (columns // 32, rows // 8)),
        f"{name}.q_scale_max": TensorHeader("F16", (columns // 32,)),
        f"{name}.q_groups": TensorHeader("I16", (columns // 16,)),
        f"{name}.q_invperm": TensorHeader("I32", (columns,)),
    }


def exl3(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.trellis": TensorHeader("I16", (columns // 16, rows // 16, 48)),
        f"{name}.suh": TensorHeader("F16", (columns,)),
        f"{name}.svh": TensorHeader("F16", (rows,)),
        f"{name}.mcg": TensorHeader("I32", ()),
    }


def aqlm(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.codes": TensorHeader("I16", (rows, columns // 8, 2)),
        f"{name}.codebooks": TensorHeader("F16", (2, 256, 1, 8)),
        f"{name}.scales": TensorHeader("F16", (rows, 1, 1, 1)),
    }


def vptq(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.indices": TensorHeader("I32", (1, rows // 8, columns // 2)),
        f"{name}.centroids.weight": TensorHeader("F16", (1, 2048)),
        f"{name}.perm": TensorHeader("I16", (columns,)),
        f"{name}.weight_scale": TensorHeader("F16", (columns,)),
        f"{name}.weight_bias": TensorHeader("F16", (columns,)),
    }


def higgs(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.weight": TensorHeader("I16", (rows // 4, columns)),
        f"{name}.scales": TensorHeader("F16", (rows, columns // 32)),
        f"{name}.tables": TensorHeader("F16", (16,)),
        f"{name}.tables2": TensorHeader("F32", (16, 16, 1)),
    }


def quip(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.Qidxs": TensorHeader("I16", (rows, columns // 8)),
        f"{name}.SU": TensorHeader("F16", (columns,)),
        f"{name}.SV": TensorHeader("F16", (rows,)),
        f"{name}.Wscale": TensorHeader("F32", ()),
    }


def marlin(name: str, rows: int, columns: int) -> Packed:
    return {
        f"{name}.B": TensorHeader("I32", (columns // 16, rows * 2)),
        f"{name}.s": TensorHeader("F16", (columns // 32, rows)),
        f"{name}.workspace": TensorHeader("I32", (16,)),
    }


def sparse(name: str, rows: int, columns: int) -> Packed:
    """compressed-tensors, 2:4: half of the numbers, and a bit for each that says whether it is there."""
    return {
        f"{name}.compressed": TensorHeader("F8_E4M3", (rows, columns // 2)),
        f"{name}.bitmask": TensorHeader("U8", (rows, columns // 8)),
        f"{name}.shape": TensorHeader("I64", (2,)),
        f"{name}.weight_scale": TensorHeader("BF16", (rows, 1)),
    }


def nf4_in_bfloat16(name: str, rows: int, columns: int) -> Packed:
    """bitsandbytes with bnb_4bit_quant_storage, as FSDP wants it."""
    return bitsandbytes(name, rows, columns) | {f"{name}.weight": TensorHeader("BF16", (rows * columns // 4, 1))}


def eight_in_attention(name: str, rows: int, columns: int) -> Packed:
    """compressed-tensors with two groups of one packing."""
    packed = TensorHeader("I32", (rows, columns * (8 if "attn" in name else 4) // 32))
    return compressed_int4(name, rows, columns) | {f"{name}.weight_packed": packed}


VPTQ_LAYERS = {
    name.removesuffix(".weight"): {"in_features": shape[1], "out_features": shape[0], "vector_lens": [-1, 8]}
    for name, shape in llama().items()
    if name.endswith("_proj.weight")
}
TWO_GROUPS = {
    f"group_{bits}": {"targets": [f"re:.*{part}.*"], "weights": {"num_bits": bits, "type": "int", "group_size": 32}}
    for bits, part in ((8, "attn"), (4, "mlp"))
}
GROUPS = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int"}}}
MODELOPT = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16}}
LAYOUTS: dict[str, tuple[Pack, dict[str, Any], dict[str, Any], str]] = {
    "mlx": (mlx(4), {"quantization": {"group_size": 32, "bits": 4}}, {}, "mlx, 4 bits"),
    "mlx-6": (mlx(6), {"quantization": {"group_size": 32, "bits": 6}}, {}, "mlx, 6 bits"),
    "mlx-both": (mlx(4), {"quantization": {"bits": 4, "group_size": 32},
                          "quantization_config": {"bits": 4, "group_size": 32}}, {}, "mlx, 4 bits"),
    "gptq": (gptq, {"quantization_config": {"quant_method": "gptq", "bits": 4}}, {}, "gptq, 4 bits"),
    "gptq-side-file": (gptq, {}, {"quantize_config": {"bits": 4, "group_size": 32}}, "gptq, 4 bits"),
    "awq": (awq, {"quantization_config": {"quant_method": "awq", "bits": 4}}, {}, "awq, 4 bits"),
    "auto-round": (awq, {"quantization_config": {"quant_method": "auto-round", "bits": 4}}, {}, "auto-round, 4 bits"),
    "compressed-tensors": (compressed_int4, {"quantization_config": {
        "quant_method": "compressed-tensors", "config_groups": GROUPS}}, {}, "compressed-tensors, 4 bits"),
    "compressed-tensors-of-2024": (compressed_int4, {"compression_config": {
        "quant_method": "compressed-tensors", "config_groups": GROUPS}}, {}, "compressed-tensors, 4 bits"),
    "modelopt": (nvfp4, {}, {"hf_quant_config": MODELOPT}, "modelopt NVFP4, 4 bits"),
    "modelopt-in-config": (nvfp4, {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, {},
                           "modelopt NVFP4, 4 bits"),
    "modelopt-awq": (modelopt_awq, {}, {"hf_quant_config": {"quantization": {"quant_algo": "W4A16_AWQ"}}},
                     "modelopt W4A16_AWQ, 4 bits"),
    "modelopt-mixed": (nvfp4, {}, {"hf_quant_config": {"quantization": {"quant_algo": "MIXED_PRECISION",
        "quantized_layers": {"model.layers.0.mlp.up_proj": {"quant_algo": "NVFP4"}}}}}, "modelopt MIXED_PRECISION"),
    "compressed-nvfp4": (nvfp4, {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {
        "group_0": {"weights": {"num_bits": 4, "type": "float"}}}}}, {}, "compressed-tensors, 4 bits"),
    "nvfp4": (nvfp4, {"quantization_config": {"quant_method": "nvfp4"}}, {}, "nvfp4, 4 bits"),
    "fp8": (fp8_blocks, {"quantization_config": {"quant_method": "fp8"}}, {}, "fp8, 8 bits"),
    "fp8-scale": (fp8_scale, {"quantization_config": {"quant_method": "fp8"}}, {}, "fp8, 8 bits"),
    "bitsandbytes": (bitsandbytes, {"quantization_config": {"load_in_4bit": True}}, {}, "bitsandbytes, 4 bits"),
    "bitnet": (bitnet, {"quantization_config": {"quant_method": "bitnet"}}, {}, "bitnet, 2 bits"),
    "hqq": (hqq, {"quantization_config": {"quant_method": "hqq", "quant_config": {
        "weight_quant_params": {"nbits": 4}}}}, {}, "hqq, 4 bits"),
    "llm-int8": (int8, {"quantization_config": {"load_in_8bit": True}}, {}, "bitsandbytes, 8 bits"),
    "quark": (fp8_blocks, {"quantization_config": {"quant_method": "quark", "global_quant_config": {
        "weight": {"dtype": "fp8_e4m3"}}}}, {}, "quark, 8 bits"),
    "exl2": (exl2, {"quantization_config": {"quant_method": "exl2", "bits": 4.65}}, {}, "exl2"),
    "exl3": (exl3, {"quantization_config": {"quant_method": "exl3", "bits": 3.0}}, {}, "exl3"),
    "aqlm": (aqlm, {"quantization_config": {"quant_method": "aqlm", "num_codebooks": 2}}, {}, "aqlm"),
    "vptq": (vptq, {"quantization_config": {"quant_method": "vptq", "config_for_layers": VPTQ_LAYERS}}, {}, "vptq"),
    "higgs": (higgs, {"quantization_config": {"quant_method": "higgs", "bits": 4}}, {}, "higgs, 4 bits"),
    "quip": (quip, {"quantization_config": {"quant_method": "quip"}}, {}, "quip"),
    "marlin": (marlin, {"quantization_config": {"quant_method": "gptq", "bits": 4}}, {}, "gptq, 4 bits"),
    "sparse": (sparse, {"quantization_config": {
        "quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 8}}},
        "sparsity_config": {"format": "sparse-24-bitmask"}}}, {}, "compressed-tensors, 8 bits"),
    "nf4-in-bfloat16": (nf4_in_bfloat16, {"quantization_config": {"load_in_4bit": True}}, {}, "bitsandbytes, 4 bits"),
    "two-groups": (eight_in_attention, {"quantization_config": {
        "quant_method": "compressed-tensors", "config_groups": TWO_GROUPS}}, {}, "compressed-tensors"),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_weights_count_as_the_weights_they_stand_for(layout: str) -> None:
    pack, config, side_files, label = LAYOUTS[layout]
    tensors = packed_llama(pack)
    reading = describe(checkpoint(CONFIG | config, tensors, **side_files))
    plain = describe(checkpoint(CONFIG, headers(llama()))).shape
    packed = elements({name: shape for name, shape in llama().items() if name.endswith("_proj.weight")})
    assert reading.shape.params_total == plain.params_total == elements(llama())
    assert reading.shape.ledger == plain.ledger
    assert reading.shape.quantization == label
    assert reading.notes == () and reading.refusal is not None and "quantised" in reading.refusal
    facts = read_config(CONFIG | config, {f"{name}.json": content for name, content in side_files.items()})
    stored = read_tensors(tensors, facts).stored
    assert stored.quantized == packed
    assert stored.scales == reading.shape.quantization_scales > 0
    assert quantization_disagreement(facts.quantization, stored) is None


@pytest.mark.parametrize(
    "layout",
    ["mlx", "gptq", "awq", "compressed-tensors", "modelopt", "fp8", "bitnet", "exl2", "aqlm", "higgs", "marlin"],
)
def test_shapes_of_packed_matrices_are_told_too(layout: str) -> None:
    """So that a config which does not fit a quantised checkpoint is noticed."""
    pack, config, side_files, _ = LAYOUTS[layout]
    wrong = CONFIG | config | {"intermediate_size": 200, "num_key_value_heads": 4}
    notes = describe(checkpoint(wrong, packed_llama(pack), **side_files)).notes
    assert [note.partition(": ")[2] for note in notes] == [
        "intermediate_size = 200, but the tensors show a feed-forward width of 192",
        "num_key_value_heads = 4, but the tensors show keys of width 32, not 4 heads x 16 = 64",
    ]


@pytest.mark.parametrize("mode", ["affine", "mxfp4"])
def test_experts_that_are_stacked_and_packed(mode: str) -> None:
    """mlx-lm, QuantizedSwitchLinear: [experts, outputs, packed inputs] under a name of its own."""
    stem = "model.layers.0.mlp.switch_mlp.up_proj"
    tensors = {
        f"{stem}.weight": TensorHeader("U32", (8, 96, 64 * 4 // 32)),
        f"{stem}.scales": TensorHeader("U8" if mode == "mxfp4" else "BF16", (8, 96, 2)),
        "model.layers.0.input_layernorm.weight": TensorHeader("BF16", (64,)),
    }
    tensors |= {f"{stem}.biases": TensorHeader("BF16", (8, 96, 2))} if mode == "affine" else {}
    config = read_config(CONFIG | {"quantization": {"group_size": 32, "bits": 4, "mode": mode}}, {})
    found = read_tensors(tensors, config)
    assert found.stored.tensors[f"{stem}.weight"].shape == (8, 96, 64)
    assert found.stored.bits == {4} and found.experts == (8,) and found.is_routed


def test_mxfp4_blocks_of_experts() -> None:
    """gpt-oss: [experts, rows, groups, 16 bytes] beside a byte of scale for each group."""
    stem = "model.layers.0.mlp.experts.down_proj"
    tensors = headers({"model.embed_tokens.weight": (256, 64), "lm_head.weight": (256, 64)}) | {
        f"{stem}_blocks": TensorHeader("U8", (4, 64, 6, 16)),
        f"{stem}_scales": TensorHeader("U8", (4, 64, 6)),
        f"{stem}_bias": TensorHeader("BF16", (4, 64)),
    }
    config = CONFIG | {"num_hidden_layers": 1, "quantization_config": {"quant_method": "mxfp4"}}
    shape = describe(checkpoint(config, tensors)).shape
    assert shape.ledger.feed_forward == 4 * 64 * 192 + 4 * 64
    assert shape.quantization_scales == 4 * 64 * 6


def test_modules_with_bits_of_their_own() -> None:
    """MLX: mixed precision names its modules among the settings."""
    tensors = packed_llama(mixed_mlx)
    eight = {f"model.layers.{i}.mlp.down_proj": {"bits": 8, "group_size": 32} for i in range(4)}
    config = CONFIG | {"quantization": {"bits": 4, "group_size": 32, **eight}}
    assert describe(checkpoint(config, tensors)).shape.params_total == elements(llama())
    head = {"lm_head": {"bits": 8, "group_size": 32}}  # a module of the model itself: no dot in its name
    facts = read_config(CONFIG | {"quantization": {"bits": 4, "group_size": 64, **head}})
    assert facts.quantization and facts.quantization.modules == {"lm_head": 8}
    assert facts.quantization.group_sizes == {"lm_head": 32}


@pytest.mark.parametrize(
    ("pack", "config", "why"),
    [
        (None, {"quantization_config": {"load_in_4bit": True}}, "config.json says that the weights are quantised"),
        (None, {"quantization_config": {"quant_method": "fp8"}}, "(fp8), but none is stored so"),
        (nvfp4, {}, "stored quantised (U8), but neither config.json nor a file beside it says how"),
        (fp8_blocks, {}, "stored quantised (F8_E4M3)"),
        (gptq, {}, "stored quantised (I32)"),
        (fp8_blocks, {"quantization_config": {"quant_method": "gptq", "bits": 4}}, "promises weights of 4 bits (gptq)"),
        (gptq, {"quantization_config": {"quant_method": "gptq", "bits": 8}}, "8 bits (gptq), but they are stored in 4"),
        (mixed_mlx, {"quantization": {"bits": 4, "group_size": 32}}, "4 bits (mlx), but some are stored in 8"),
    ],
)
def test_a_promise_of_quantisation_is_held_against_what_is_stored(pack: Any, config: dict, why: str) -> None:
    tensors = packed_llama(pack) if pack else headers(llama())
    facts = read_config(CONFIG | config)
    found = quantization_disagreement(facts.quantization, read_tensors(tensors, facts).stored)
    assert found is not None and why in found
    assert found in describe(checkpoint(CONFIG | config, tensors)).notes


@pytest.mark.parametrize(
    "entry",
    [
        {"quant_method": "modelopt", "quant_algo": None, "kv_cache_quant_algo": "FP8"},
        {"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": {"num_bits": 8}},
        {"quant_method": "bitnet", "quantization_mode": "online"},
    ],
)
def test_plain_weights_are_what_some_entries_promise(entry: dict[str, Any]) -> None:
    """Keys and values in few bits, or weights that are quantised when they are used."""
    tensors = headers(llama()) | {"model.layers.0.self_attn.k_scale": TensorHeader("F32", ())}
    reading = describe(checkpoint(CONFIG | {"quantization_config": entry}, tensors))
    assert (reading.notes, reading.shape.params_total) == ((), elements(llama()))


def test_what_a_file_beside_the_config_says_is_read(tmp_path: Path) -> None:
    """hf_quant_config.json over weights that nobody has quantised."""
    folder = write_clean(tmp_path / "model")
    (folder / "hf_quant_config.json").write_text(json.dumps(MODELOPT))
    notes = describe(read_checkpoint(str(folder))).notes
    said = "hf_quant_config.json says that the weights are quantised (modelopt NVFP4), but none is stored so"
    assert notes == (said,)


def test_an_unquantised_model_is_not_taken_for_one() -> None:
    facts = read_config(CONFIG)
    stored = read_tensors(headers(llama()) | headers({"model.layers.0.self_attn.scale": (1,)}), facts).stored
    assert (stored.quantized, stored.scales) == (0, 0)
    assert quantization_disagreement(facts.quantization, stored) is None


@pytest.mark.parametrize("entry", [{}, [], "gptq", None, 4, {"bits": "four"}, {"config_groups": [1]}, {"weights": 3}])
def test_any_entry_is_read(entry: object) -> None:
    for key in ("quantization_config", "quantization"):
        assert describe(checkpoint(CONFIG | {key: entry}, headers(llama()))).shape.params_total == elements(llama())
