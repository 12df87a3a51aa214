"""Blocks that differ by design are no damage, and damage among them is found: a block is compared with its own kind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.hub import TensorHeader, raw_header
from tests.checks.checkpoints import CONFIG

DEPTH, WIDTH = 12, 64
Headers = dict[str, TensorHeader]


def write(folder: Path, headers: Headers, **values: Any) -> Path:
    """A checkpoint of headers and a config; its data is a hole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": DEPTH, **values}))
    content, size = raw_header(headers)
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(content)
        stream.truncate(len(content) + size)
    return folder


def decoder(block: Callable[[int], dict[str, tuple[int, ...]]], depth: int = DEPTH) -> Headers:
    """Tensors of a Llama whose blocks are as `block` says."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (256, WIDTH), "lm_head.weight": (256, WIDTH)}
    shapes["model.norm.weight"] = (WIDTH,)
    for index in range(depth):
        shapes |= {f"model.layers.{index}.{rest}.weight": shape for rest, shape in block(index).items()}
    return {name: TensorHeader("F32", shape) for name, shape in shapes.items()}


def plain(index: int, feed_forward: int = 192) -> dict[str, tuple[int, ...]]:
    return {
        **{f"self_attn.{part}_proj": (WIDTH, WIDTH) for part in "qkvo"},
        "mlp.gate_proj": (feed_forward, WIDTH), "mlp.up_proj": (feed_forward, WIDTH),
        "mlp.down_proj": (WIDTH, feed_forward), "input_layernorm": (WIDTH,), "post_attention_layernorm": (WIDTH,),
    }  # fmt: skip


def every_sixth_without_values(index: int) -> dict[str, tuple[int, ...]]:
    block = plain(index)
    if index % 6 == 5:
        del block["self_attn.v_proj"]
    return block


def last_four_without_keys(index: int) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in plain(index).items() if index < 8 or name[-6] not in "kv"}


def every_third_with_more(index: int) -> dict[str, tuple[int, ...]]:
    return plain(index) | ({"cross_attn.q_proj": (WIDTH, WIDTH)} if index in (3, 8, 11) else {})


def wider_by_layer(index: int) -> dict[str, tuple[int, ...]]:
    return plain(index, 128 + 64 * (index // 5))


def no_op(index: int) -> dict[str, tuple[int, ...]]:
    return {
        name: shape for name, shape in plain(index).items() if index not in (4, 9) or "mlp" in name or "norm" in name
    }


def with_a_projecting_router(index: int) -> dict[str, tuple[int, ...]]:
    """As Gemma 4 has it: before the attention, whose output is called alike elsewhere."""
    return {"router.proj": (16, WIDTH), **plain(index)}


def with_experts_of_one_row(index: int) -> dict[str, tuple[int, ...]]:
    """As Doge has them, beside a feed-forward part for all tokens."""
    return {**plain(index), "mlp.router_gate": (32, WIDTH), **{f"mlp.{n}_embed": (256, WIDTH) for n in ("up", "down")}}


def of_gemma4(index: int) -> dict[str, tuple[int, ...]]:
    """Without an input for each layer, which is a number in the config."""
    norms = {f"{place}_feedforward_layernorm": (WIDTH,) for place in ("pre", "post")}
    return {**plain(index), **norms, "self_attn.q_norm": (8,), "self_attn.k_norm": (8,)}


def fused_with_grouped_heads(index: int) -> dict[str, tuple[int, ...]]:
    """Rows for 8 heads of queries and 2 each of keys and values, of 8 numbers."""
    return {
        "attention.wqkv": ((8 + 2 * 2) * 8, WIDTH), "attention.wo": (WIDTH, WIDTH), "feed_forward.w1": (320, WIDTH),
        "feed_forward.w3": (320, WIDTH), "feed_forward.w2": (WIDTH, 320), "attention_norm": (WIDTH,),
        "ffn_norm": (WIDTH,),
    }  # fmt: skip


def with_heads_of_two_kinds(index: int) -> dict[str, tuple[int, ...]]:
    """As Baichuan-M1: (4 + 2 x 3) heads of 16 in every second block; and an activation with coefficients (Motif)."""
    rows = (4 + 2 * 3) * 16 if index % 2 else (8 + 2 * 2) * 8
    rest = {name: shape for name, shape in plain(index).items() if name[10:16] not in ("q_proj", "k_proj", "v_proj")}
    return {**rest, "self_attn.W_pack": (rows, WIDTH), "mlp.act_fn": (3,)}


BLOCK_CONFIGS = [{"attention": {"no_op": i in (4, 9)}, "ffn": {"no_op": False}} for i in range(DEPTH)]
DESIGNS: dict[str, tuple[Callable[[int], dict[str, tuple[int, ...]]], dict[str, Any]]] = {
    "layer_types": (every_sixth_without_values,
                    {"layer_types": ["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(DEPTH)]}),
    "a pattern the config is silent about": (every_sixth_without_values, {}),
    "shared keys and values": (last_four_without_keys, {"num_kv_shared_layers": 4}),
    "numbers of layers": (every_third_with_more, {"cross_attention_layers": [3, 8, 11], "model_type": "own"}),
    "a width by layer": (wider_by_layer, {"intermediate_size": [128 + 64 * (i // 5) for i in range(DEPTH)]}),
    "no-op attention": (no_op, {"block_configs": BLOCK_CONFIGS}),
    "a router that projects": (with_a_projecting_router, {"model_type": "own", "num_experts": 16}),
    "no input for each layer": (of_gemma4, {"model_type": "gemma4_text", "architectures": ["Gemma4ForCausalLM"],
                                            "hidden_size_per_layer_input": 0, "head_dim": 8}),
    "experts of one row": (with_experts_of_one_row, {"model_type": "own", "num_experts": 256, "is_moe": True}),
    "heads of two kinds": (with_heads_of_two_kinds, {
        "model_type": "own", "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": None,
        "num_swa_attention_heads": 4, "num_swa_key_value_heads": 3, "sliding_window_layers": [*range(1, DEPTH, 2)]}),
}  # fmt: skip


def bad(folder: Path) -> list[tuple[str, str]]:
    report = shape_audit.check(str(folder))
    return [(one.rule, one.place) for one in report.findings if one.severity != "note"]


@pytest.mark.parametrize("design", DESIGNS)
def test_a_design_is_no_damage(design: str, tmp_path: Path) -> None:
    block, values = DESIGNS[design]
    assert bad(write(tmp_path / "model", decoder(block), **values)) == []


def test_fused_matrices_of_grouped_heads_are_no_odd_size_where_the_type_is_unknown(tmp_path: Path) -> None:
    values = {"model_type": "own", "num_key_value_heads": 2, "intermediate_size": 320}
    folder = write(tmp_path / "model", decoder(fused_with_grouped_heads), **values)
    assert bad(folder) == []
    one_cut = decoder(lambda i: fused_with_grouped_heads(i) | ({"attention.wqkv": (95, WIDTH)} if i == 3 else {}))
    assert ("SA303", "model.layers.3.attention.wqkv.weight") in bad(write(folder, one_cut, **values))


@pytest.mark.parametrize("design", DESIGNS)
def test_damage_within_a_design_is_found(design: str, tmp_path: Path) -> None:
    block, values = DESIGNS[design]
    headers = decoder(block)
    name = "model.layers.2.mlp.up_proj.weight"
    cut = {**headers, name: TensorHeader("F32", (100, WIDTH))}
    assert bad(write(tmp_path / "cut", cut, **values)) == [("SA303", name)]
    lost = {other: header for other, header in headers.items() if other != name}
    assert bad(write(tmp_path / "lost", lost, **values)) == [("SA301", name)]


@pytest.mark.parametrize("stored_as", ["model.layers.12", "model.mtp.layers.0", "mtp.layers.0"])
def test_a_prediction_block_is_neither_a_layer_nor_a_stray(stored_as: str, tmp_path: Path) -> None:
    more = {**plain(0), "eh_proj": (WIDTH, 2 * WIDTH), "enorm": (WIDTH,), "hnorm": (WIDTH,)}
    extra = {f"{stored_as}.{rest}.weight": TensorHeader("F32", shape) for rest, shape in more.items()}
    assert bad(write(tmp_path / "model", decoder(plain) | extra, num_nextn_predict_layers=1)) == []


def test_half_of_the_blocks_in_another_shape_is_no_design_that_the_config_tells(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", decoder(lambda i: plain(i, 192 if i < 6 else 128)))
    assert bad(folder) == [("SA314", "mlp.gate_proj.weight")]


def test_many_blocks_without_a_reason_are_told_apart_by_nobody(tmp_path: Path) -> None:
    headers = decoder(lambda i: {n: s for n, s in plain(i).items() if i not in (0, 1, 3, 4, 8) or n != "mlp.up_proj"})
    folder = write(tmp_path / "model", headers)
    assert bad(folder) == [("SA314", "mlp.up_proj.weight")]
    write(folder, headers, auto_map={"AutoModelForCausalLM": "modeling.Mine"})
    (found,) = [one for one in shape_audit.check(str(folder)).findings if one.rule == "SA314"]
    assert "--deep" not in found.fix and "training checkpoint" in found.fix


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
@pytest.mark.parametrize("lost", ["6.mlp.up_proj.weight", "6."])
def test_every_long_list_of_blocks_is_looked_at(stack: str, lost: str, tmp_path: Path) -> None:
    """Of an encoder and a decoder of the same blocks, either may be the damaged one."""
    blocks = {n: header for n, header in decoder(plain).items() if ".layers." in n}
    both = {
        n.replace("model.", f"model.{part}."): header for part in ("encoder", "decoder") for n, header in blocks.items()
    }
    both["model.shared.weight"] = TensorHeader("F32", (256, WIDTH))
    values = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}
    assert bad(write(tmp_path / "sound", both, **values)) == []
    damaged = {n: header for n, header in both.items() if f"{stack}.layers.{lost}" not in n}
    (found,) = bad(write(tmp_path / "damaged", damaged, **values))
    assert found == ("SA301", f"model.{stack}.layers.{lost}") or (found[0] == "SA304" and lost == "6.")


def test_a_wrong_depth_is_one_finding_where_layers_have_kinds(tmp_path: Path) -> None:
    """Lists and counts from the end are read for the blocks that there are."""
    block, values = DESIGNS["shared keys and values"]
    folder = write(tmp_path / "model", decoder(block), **{**values, "num_hidden_layers": DEPTH + 1})
    assert bad(folder) == [("SA304", "num_hidden_layers")]


def test_two_blocks_of_a_dense_model_should_be_alike(tmp_path: Path) -> None:
    """Which of them is the odd one, the type tells, where it is known."""
    headers = decoder(plain, depth=2)
    del headers["model.layers.1.mlp.up_proj.weight"]
    one, other = (f"model.layers.{i}.mlp.up_proj.weight" for i in (1, 0))
    assert bad(write(tmp_path / "known", headers, num_hidden_layers=2)) == [("SA301", one)]
    unknown = {"model_type": "mine", "architectures": ["MineForCausalLM"]}
    assert bad(write(tmp_path / "unknown", headers, num_hidden_layers=2, **unknown)) == [("SA302", other)]


def with_experts(index: int, experts: int = 4) -> dict[str, tuple[int, ...]]:
    """Qwen3-MoE whose first block alone is dense: no other is of its kind."""
    block = plain(index) | {"self_attn.q_norm": (8,), "self_attn.k_norm": (8,)}
    if index == 0:
        return block
    parts = {part: block.pop(f"mlp.{part}_proj") for part in ("gate", "up", "down")}
    block["mlp.gate"] = (experts, WIDTH)
    return block | {f"mlp.experts.{i}.{part}_proj": shape for i in range(experts) for part, shape in parts.items()}


MIXTURE: dict[str, Any] = {
    "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], "mlp_only_layers": [0], "num_experts": 4,
    "moe_intermediate_size": 192, "head_dim": 8,
}  # fmt: skip


@pytest.mark.parametrize("rest", [*(f"{name}.weight" for name in with_experts(0))])
def test_a_block_without_its_like_is_compared_with_its_type_and_with_itself(rest: str, tmp_path: Path) -> None:
    headers = decoder(with_experts)
    assert bad(write(tmp_path / "sound", headers, **MIXTURE)) == []
    name = f"model.layers.0.{rest}"
    lost = {other: header for other, header in headers.items() if other != name}
    assert bad(write(tmp_path / "lost", lost, **MIXTURE)) == [("SA301", name)]
    shape = headers[name].shape
    cut = {**headers, name: TensorHeader("F32", (shape[0] - 1, *shape[1:]))}
    assert bad(write(tmp_path / "cut", cut, **MIXTURE)) == [("SA303", name)]


def test_what_all_blocks_lack_is_missed_by_the_type(tmp_path: Path) -> None:
    headers = decoder(lambda i: {name: shape for name, shape in plain(i).items() if name != "self_attn.v_proj"})
    assert bad(write(tmp_path / "model", headers)) == [("SA301", "model.layers.0-11.self_attn.v_proj.weight")]
    own = {"auto_map": {"AutoModelForCausalLM": "modeling.Mine"}}  # whose code may do without it
    assert "SA301" not in [rule for rule, _ in bad(write(tmp_path / "own", headers, **own))]


def test_a_tensor_under_another_name_among_experts_is_missed(tmp_path: Path) -> None:
    name = "model.layers.5.self_attn.v_proj.weight"
    headers = {n.replace(name, name.replace("v_proj", "value_proj")): h for n, h in decoder(with_experts).items()}
    assert bad(write(tmp_path / "model", headers, **MIXTURE)) == [("SA301", name)]


@pytest.mark.parametrize("promised", [3, 8])
def test_another_number_of_experts_than_promised(promised: int, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", decoder(with_experts), **{**MIXTURE, "num_experts": promised})
    assert bad(folder) == [("SA304", "num_experts")]


@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"])
def test_what_stands_around_the_blocks_is_as_wide_as_they_are(name: str, tmp_path: Path) -> None:
    headers = decoder(plain)
    headers[name] = TensorHeader("F32", (*headers[name].shape[:-1], 40))
    assert bad(write(tmp_path / "model", headers)) == [("SA303", name)]
    projected = headers | {"model.project_in.weight": TensorHeader("F32", (WIDTH, 40))}
    assert bad(write(tmp_path / "projected", projected)) == []


def test_rows_of_added_tokens_that_no_config_speaks_of(tmp_path: Path) -> None:
    """Molmo: stored apart, embedded and never predicted; its output matrix has the rows of the others."""
    headers = {name.replace("embed_tokens.weight", "wte.embedding"): header for name, header in decoder(plain).items()}
    headers["model.wte.new_embedding"] = TensorHeader("F32", (8, WIDTH))
    assert bad(write(tmp_path / "model", headers, model_type="own", architectures=["OwnForCausalLM"])) == []


def test_a_merge_of_vectors_alone_is_told_without_any_size(tmp_path: Path) -> None:
    vectors = {name: header for name, header in decoder(plain).items() if len(header.shape) < 2}
    folder = write(tmp_path / "model", vectors, vocab_size=None, model_type="unknown", architectures=["X"])
    (found,) = [one for one in shape_audit.check(str(folder)).findings if one.severity == "error"]
    assert found.rule == "SA318" and "none of them in a matrix" in found.message


FORMS: dict[str, Callable[[int, int], dict[str, tuple[str, tuple[int, ...]]]]] = {
    "fp8": lambda rows, columns: {"weight": ("F8_E4M3", (rows, columns)), "weight_scale_inv": ("BF16", (1, 1))},
    "gptq": lambda rows, columns: {
        "qweight": ("I32", (columns // 8, rows)), "scales": ("F16", (2, rows)), "qzeros": ("I32", (2, rows // 8)),
        "g_idx": ("I32", (columns,)),
    },
    "bitsandbytes": lambda rows, columns: {
        "weight": ("U8", (rows * columns // 2, 1)), "weight.absmax": ("F32", (rows * columns // 64,)),
    },
}  # fmt: skip


def quantised(form: str) -> tuple[Headers, dict[str, Any]]:
    """A Llama whose matrices are quantised, but for one matrix that was left as it was, and what its config says."""
    headers = {name: header for name, header in decoder(plain).items() if not name.endswith("_proj.weight")}
    for name, header in decoder(plain).items():
        if name.endswith("_proj.weight"):
            is_left = name == "model.layers.0.mlp.up_proj.weight"
            parts = {"weight": ("BF16", header.shape)} if is_left else FORMS[form](*header.shape)
            headers |= {f"{name.removesuffix('weight')}{part}": TensorHeader(*one) for part, one in parts.items()}
    says: dict[str, Any] = {} if form == "fp8" else {"bits": 4, "group_size": 32, "load_in_4bit": True}
    return headers, {"quantization_config": {"quant_method": form, **says}}


@pytest.mark.parametrize(
    ("form", "lost"),
    [("fp8", "weight_scale_inv"), ("gptq", "scales"), ("gptq", "qzeros"), ("bitsandbytes", "weight.absmax")],
)
def test_a_scale_that_one_quantised_matrix_lacks(form: str, lost: str, tmp_path: Path) -> None:
    headers, says = quantised(form)
    assert bad(write(tmp_path / "whole", headers, **says)) == []
    del headers[f"model.layers.5.mlp.up_proj.{lost}"]
    assert ("SA301", f"model.layers.5.mlp.up_proj.{lost}") in bad(write(tmp_path / "model", headers, **says))


@pytest.mark.parametrize("form", FORMS)
def test_a_quantised_matrix_of_half_the_rows(form: str, tmp_path: Path) -> None:
    """Where all have one number of bits: else half the numbers may be as many weights of half the bits."""
    headers, says = quantised(form)
    module = "model.layers.5.self_attn.q_proj"
    headers |= {f"{module}.{part}": TensorHeader(*one) for part, one in FORMS[form](WIDTH // 2, WIDTH).items()}
    assert bad(write(tmp_path / "model", headers, **says)) == [("SA303", f"{module}.weight")]
    if form == "gptq":
        says["quantization_config"]["dynamic"] = {r"+:.*\.5\..*": {"bits": 8}}
        assert bad(write(tmp_path / "mixed", headers, **says)) == []


@pytest.mark.parametrize("form", ["", *FORMS])
@pytest.mark.parametrize("lost", ["self_attn.k_proj", "input_layernorm", "lm_head"])
def test_what_all_blocks_lack_is_missed_in_quantised_models_too(lost: str, form: str, tmp_path: Path) -> None:
    """An output matrix that is there, but for its last row, too: both it and the embedding are left as they were."""
    headers, says = quantised(form) if form else (decoder(plain), {})
    headers = {name: header for name, header in headers.items() if lost not in name}
    if lost == "lm_head":
        headers["lm_head.weight"] = TensorHeader("BF16", (255, WIDTH))
    found = [one for one in bad(write(tmp_path / "model", headers, **says)) if one[0] != "SA312"]
    assert [rule for rule, _ in found] == ["SA317" if lost == "lm_head" else "SA301"]
