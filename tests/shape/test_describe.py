"""Shapes read from config and headers, against what transformers builds."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from shape_audit.errors import CorruptFileError, NotAuditableError, ShapeAuditError
from shape_audit.hub import Checkpoint, TensorHeader, read_checkpoint
from shape_audit.records import ModelRef
from shape_audit.shape import describe, known_models, like_blocks, read_config, read_tensors
from tests.shape.headers import checkpoint as headers_alone
from tests.tiny_models import CASES, save_tiny, tiny_model


def checkpoint(config: object, tensors: dict[str, tuple[int, ...]] | None = None) -> Checkpoint:
    """A checkpoint that exists only as config and headers."""
    headers = {name: TensorHeader("F32", shape) for name, shape in (tensors or {}).items()}
    return Checkpoint(ModelRef("hub", "org/name", "0" * 40), config, headers, ("model.safetensors",), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_every_architecture_as_transformers_builds_it(name: str, tmp_path: Path) -> None:
    model = tiny_model(name)
    reading = describe(read_checkpoint(str(save_tiny(tmp_path / name, name))))
    shape, config = reading.shape, model.config
    assert reading.notes == () and reading.refusal is None
    assert (shape.num_hidden_layers, shape.hidden_size) == (config.num_hidden_layers, config.hidden_size)
    assert shape.r_dw == config.num_hidden_layers / config.hidden_size
    assert shape.params_total == sum(parameter.numel() for parameter in model.parameters())
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert shape.tie_word_embeddings == tied
    assert shape.vocab_size == config.vocab_size
    assert shape.max_position_embeddings == (None if name == "bloom" else 64)
    positions = sum(p.numel() for n, p in model.named_parameters() if "wpe" in n or "embed_positions" in n)
    assert shape.ledger.embedding == model.get_input_embeddings().weight.numel() + positions
    output = sum(parameter.numel() for parameter in model.get_output_embeddings().parameters())
    assert shape.ledger.unembedding == (0 if tied else output)
    projections = sum(p.numel() for n, p in model.named_parameters() if "project_" in n)
    assert shape.ledger.other == projections
    norms = sum(p.numel() for n, p in model.named_parameters() if "norm" in n or ".ln_" in n)
    assert shape.ledger.norms == norms
    assert shape.params_non_embedding == shape.params_total - shape.ledger.embedding - shape.ledger.unembedding
    settings = CASES[name][1]
    shared = {"falcon": 1, "falcon-new": 2}.get(name) or settings.get("num_key_value_heads") or 4
    assert (shape.num_attention_heads, shape.num_key_value_heads) == (4, shared)
    assert shape.head_dim == (getattr(config, "head_dim", None) or 6)
    stated = settings.get("intermediate_size") or settings.get("ffn_dim")
    assert shape.intermediate_size == (stated or 4 * config.hidden_size)


def test_masks_of_older_checkpoints_are_no_parameters(tmp_path: Path) -> None:
    """GPT-2's and GPT-NeoX's published files hold the causal mask of every block; nor are biases of a router's choice
    (LFM2-MoE) that are no weights of it."""
    folder = save_tiny(tmp_path / "gpt2", "gpt2")
    before = describe(read_checkpoint(str(folder))).shape
    tensors = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 64, 64) for i in range(2)}
    masks |= {f"h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in range(2)}
    masks |= {f"h.{i}.feed_forward.expert_bias": torch.zeros(4) for i in range(2)}
    save_file(bare | masks, folder / "model.safetensors", metadata={"format": "pt"})
    assert describe(read_checkpoint(str(folder))).shape == before


def test_a_tied_matrix_that_is_stored_twice_counts_once(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tied", "llama-tied")
    before = describe(read_checkpoint(str(folder))).shape
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    reading = describe(read_checkpoint(str(folder)))
    assert reading.shape == before
    assert reading.notes == ("the tied output matrix is stored too; it is counted once",)


def test_a_disagreement_is_a_note_and_not_an_average(tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    changed = {**config, "num_hidden_layers": 3, "hidden_size": 32, "vocab_size": 300, "intermediate_size": 41}
    (folder / "config.json").write_text(json.dumps(changed))
    reading = describe(read_checkpoint(str(folder)))
    assert (reading.shape.num_hidden_layers, reading.shape.hidden_size) == (3, 32)
    assert [note.split(": ")[1] for note in reading.notes] == [
        "num_hidden_layers = 3, but the tensors show 2 blocks",
        "hidden_size = 32, but the tensors show blocks of width 24",
        "vocab_size = 300, but the tensors show an embedding of 256 rows",
        "intermediate_size = 41, but the tensors show a feed-forward width of 40",
    ]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"is_encoder_decoder": True, "architectures": ["T5ForConditionalGeneration"]}, "not a causal"),
        ({"architectures": ["BertForMaskedLM"]}, "not a causal language model"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised"),
        ({"model_type": "hrm_text", "num_layers_per_stack": 1}, "more than once"),
    ],
)
def test_what_cannot_be_measured_says_why(config: dict, why: str) -> None:
    reading = describe(checkpoint({"num_hidden_layers": 2, "hidden_size": 8, **config}))
    assert reading.refusal is not None and why in reading.refusal
    assert reading.shape.r_dw == 0.25


DENSE = {
    f"model.layers.{i}.{name}.weight": shape
    for i in range(2)
    for name, shape in (("mlp.up_proj", (4, 8)), ("self_attn.q_proj", (8, 8)))
}


@pytest.mark.parametrize(
    ("config", "tensors", "why"),
    [
        ({"num_local_experts": 8}, {}, "a mixture of 8 experts"),
        ({"layer_types": ["linear_attention", "full_attention"]}, DENSE, "layer_types: linear_attention"),
        ({}, DENSE | {"model.layers.0.mlp.experts.0.w1.weight": (4, 8)}, "it has experts"),
        ({}, DENSE | {"model.layers.0.mlp.router_gate.weight": (4, 8)}, "it has experts"),
        ({}, DENSE | {"backbone.layers.0.mixer.A_log": (4,)}, "mix tokens by attention"),
        ({}, DENSE | {"model.layers.0.attn.gk_proj.0.weight": (4, 8)}, "mix tokens by attention"),
        ({}, DENSE | {"model.layers.1.conv.conv.weight": (8, 1, 3)}, "mix tokens by attention"),
    ],
)
def test_what_is_not_dense_is_measured_and_said_to_lie_outside_the_claim(config: dict, tensors: dict, why: str) -> None:
    reading = describe(checkpoint({"num_hidden_layers": 2, "hidden_size": 8, **config}, tensors))
    assert reading.refusal is None and not reading.shape.is_dense
    assert any(why in note and "outside the paper's claim" in note for note in reading.notes)
    assert any("piecewise" in note for note in reading.notes) == ("experts" in why and bool(tensors))


@pytest.mark.parametrize(
    "config",
    [
        {"num_experts": 16384, "is_moe": False},
        {"mamba_d_state": 128, "num_local_experts": 0, "layer_types": ["attention", "attention"]},
        {"n_routed_experts": 256, "first_k_dense_replace": 2},
        {"conv_L_cache": 3, "layer_types": ["full_attention", "full_attention"]},
    ],
)
def test_blocks_that_are_stored_decide_what_is_dense(config: dict) -> None:
    """Keys of a config that speak of experts and mixers are there whether a block has them or not."""
    reading = describe(checkpoint({"num_hidden_layers": 2, "hidden_size": 8, **config}, DENSE))
    assert reading.refusal is None and reading.shape.is_dense and reading.notes == (NO_EMBEDDING,)


NO_EMBEDDING = "no embedding was recognised among the tensors: params_non_embedding counts it"


def test_the_text_part_of_a_nested_config_is_read() -> None:
    config = {"model_type": "gemma3", "text_config": {"num_hidden_layers": 2, "hidden_size": 8}, "hidden_size": 99}
    assert describe(checkpoint(config)).shape.hidden_size == 8


def test_widths_that_differ_are_listed() -> None:
    tensors = {f"model.layers.{i}.input_layernorm.weight": (8 * (i + 1),) for i in range(2)}
    reading = describe(checkpoint({"num_hidden_layers": 2, "hidden_size": 8}, tensors))
    assert reading.shape.widths == [8, 16] and reading.refusal == "its blocks differ in width"


def test_no_depth_or_width_anywhere() -> None:
    with pytest.raises(NotAuditableError, match="no depth in config or tensors"):
        describe(checkpoint({}))


@pytest.mark.parametrize("value", ["12", -1, 0, True, 1.5, {}, 2**80])
def test_impossible_values_are_named(value: object) -> None:
    with pytest.raises(CorruptFileError, match=r"config\.json: num_hidden_layers"):
        describe(checkpoint({"num_hidden_layers": value, "hidden_size": 8}))


FIELDS = ["num_hidden_layers", "n_layer", "hidden_size", "vocab_size", "architectures", "text_config", "layer_types",
          "tie_word_embeddings", "quantization_config", "num_experts", "model_type", "is_encoder_decoder", "bits",
          "quantization", "config_groups", "weights", "num_nextn_predict_layers", "block_configs", "head_dim",
          "auto_map", "cross_attention_layers", "num_attention_heads", "num_kv_shared_layers",
          "model.layers.0.mlp"]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.sampled_from(["gemma3", "qwen", "mllama", "gpt_bigcode", "mlx"])
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)
    ),
    max_leaves=8,
)
tensor_names = st.lists(
    st.sampled_from(
        ["model", "layers", "0", "1", "h", "norm", "weight", "embed_tokens", "mlp", "attn", "", "qweight", "scales",
         "mtp", "q_proj", "up_blocks", "up_scales", "weight_packed", "o_proj", "eh_proj", "lm_head", "c_attn"]
    ), max_size=6,
).map(".".join)  # fmt: skip
tensor_shapes = st.lists(st.integers(0, 2**40), max_size=4).map(tuple)
tensors = st.builds(TensorHeader, st.sampled_from(["F32", "U8", "I32", "U32", "F8_E4M3", "I8"]), tensor_shapes)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6),
    st.dictionaries(tensor_names, tensors, max_size=6),
)
def test_any_config_and_any_headers_give_a_shape_or_a_refusal(config: dict, tensors: dict) -> None:
    try:
        assert describe(headers_alone(config, tensors)).shape.r_dw > 0
        facts = read_config(config, {"hf_quant_config.json": config})
        read = read_tensors(tensors, facts)
        blocks = (
            [index for part in like_blocks(facts.block_kinds, read.decoder) for index in part.blocks]
            if read.decoder
            else []
        )
        assert len(blocks) == read.blocks
    except ShapeAuditError as error:
        assert str(error)


def test_the_shipped_table_agrees_with_itself() -> None:
    models = known_models()
    assert len(models) == 334
    ratios = [model.r_dw for model in models.values() if model.is_base]
    assert len(ratios) == 184 and sum(ratio < 0.0204 for ratio in ratios) == 160 and max(ratios) < 0.0645


def test_a_silent_config_is_tied_as_transformers_ties_it() -> None:
    """A config that does not say, beside a stored output matrix: the architecture's own default decides."""
    tensors = {"transformer.wte.weight": (8, 4), "lm_head.weight": (8, 4)}
    defaults = {}
    for model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        with contextlib.suppress(Exception):  # some configs cannot be made without arguments
            config = CONFIG_MAPPING[model_type]()
            if config.get_text_config(decoder=True) is config and config.model_type == model_type:
                defaults[model_type] = bool(config.tie_word_embeddings)
    assert len(defaults) > 140
    for model_type, tied in defaults.items():
        config = {"model_type": model_type, "num_hidden_layers": 1, "hidden_size": 4}
        assert describe(checkpoint(config, tensors)).shape.tie_word_embeddings == tied, model_type


def quantized(dtype: str, query: tuple[int, ...], up: tuple[int, ...], **quantization: object) -> Checkpoint:
    """One block of width 64 and feed-forward width 128, two matrices packed into integers, their scales beside them."""
    headers = {name: TensorHeader("F16", (100, 64)) for name in ("model.embed_tokens.weight", "lm_head.weight")}
    block = {f"{norm}.weight": TensorHeader("F16", (64,)) for norm in ("input_layernorm", "post_norm")}
    for stem, shape in (("self_attn.q_proj", query), ("mlp.up_proj", up)):
        weight = "qweight" if dtype == "I32" else "weight"
        block |= {f"{stem}.{weight}": TensorHeader(dtype, shape), f"{stem}.scales": TensorHeader("F16", (2, 64))}
        block |= {f"{stem}.qzeros": TensorHeader("I32", (2, 8)), f"{stem}.g_idx": TensorHeader("I32", (64,))}
        block |= {f"{stem}.weight.absmax": TensorHeader("U8", (77,))}
        block |= {f"{stem}.weight.quant_state.bitsandbytes__nf4": TensorHeader("U8", (83,))}
    headers |= {f"model.layers.0.{name}": header for name, header in block.items()}
    promised = {"num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 128, "vocab_size": 100}
    config = {**promised, "tie_word_embeddings": False, "quantization_config": quantization}
    return Checkpoint(ModelRef("hub", "org/name", "0" * 40), config, headers, ("model.safetensors",), None)


@pytest.mark.parametrize(
    ("packed", "method"),
    [
        (quantized("I32", (8, 64), (8, 128), bits=4, quant_method="gptq"), "gptq"),
        (quantized("I32", (16, 64), (16, 128), bits=8, quant_method="gptq"), "gptq"),
        (quantized("I32", (64, 8), (64, 16), bits=4, quant_method="awq"), "awq"),
        (quantized("U8", (2048, 1), (4096, 1), load_in_4bit=True), "bitsandbytes"),
        (quantized("I8", (64, 64), (128, 64), load_in_8bit=True, quant_method="bitsandbytes"), "bitsandbytes"),
        (quantized("F8_E4M3", (64, 64), (128, 64), quant_method="fp8"), "fp8"),
    ],
)
def test_quantised_weights_are_counted_as_the_weights_they_stand_for(packed: Checkpoint, method: str) -> None:
    reading = describe(packed)
    assert reading.shape.ledger.attention == 64 * 64 and reading.shape.ledger.feed_forward == 64 * 128
    assert reading.shape.params_total == 2 * 6400 + 2 * 64 + 64 * 64 + 64 * 128
    assert reading.notes == () and reading.refusal is not None and f"quantised weights ({method})" in reading.refusal


def test_packing_that_the_config_does_not_explain_is_said() -> None:
    unknown = quantized("U8", (2048, 1), (4096, 1), quant_method="compressed-tensors")
    assert describe(unknown).notes == (
        "quantised (compressed-tensors): counted as packed, so the totals are not the model's",
    )


def test_a_width_of_nothing_is_no_width() -> None:
    with pytest.raises(NotAuditableError, match="no width in config or tensors"):
        describe(
            checkpoint({"num_hidden_layers": 2}, {"model.embed_tokens.weight": (8, 0), "layers.0.norm.weight": (0,)})
        )
