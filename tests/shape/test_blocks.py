"""Blocks that differ by design, blocks that are no layers, and heads as the matrices show them."""

from typing import Any

import pytest

from shape_audit.hub import TensorHeader
from shape_audit.shape import describe, like_blocks, read_config, read_tensors, token_matrices
from shape_audit.shape.tensor_facts import TokenMatrices
from tests.shape.headers import CONFIG, WIDTH, Shapes, checkpoint, elements, headers, llama, llama_block


def alike(config: dict[str, Any], shapes: Shapes) -> list[list[int]]:
    """Indices of the blocks that should be alike."""
    facts = read_config(config)
    decoder = read_tensors(headers(shapes), facts).decoder
    assert decoder is not None
    return sorted(sorted(part.blocks) for part in like_blocks(facts.block_kinds, decoder))


def llama_of(blocks: list[Shapes]) -> Shapes:
    shapes: Shapes = {"model.embed_tokens.weight": (256, WIDTH), "lm_head.weight": (256, WIDTH)}
    for index, block in enumerate(blocks):
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in block.items()}
    return shapes


ODD, EVEN = [1, 3, 5, 7, 9, 11], [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("says", "parts"),
    [
        ({"layer_types": ["sliding_attention", "full_attention"] * 6}, [EVEN, ODD]),
        ({"cross_attention_layers": ODD}, [EVEN, ODD]),
        ({"no_rope_layers": [1, 0] * 6}, [EVEN, ODD]),
        ({"interleave_moe_layer_step": 2}, [EVEN, ODD]),
        ({"first_k_dense_replace": 1}, [[0], list(range(1, 12))]),
        ({"num_kv_shared_layers": 2}, [list(range(10)), [10, 11]]),
        ({"hybrid_override_pattern": "M*" * 6}, [EVEN, ODD]),
        ({"per_layer_config": {"3": {"num_key_value_heads": 1}}}, [[0, 1, 2, *range(4, 12)], [3]]),
        ({"block_configs": [{"ffn": {"ffn_mult": i % 2}} for i in range(12)]}, [EVEN, ODD]),
        ({"attn_layer_period": 8, "attn_layer_offset": 4}, [[*range(4), *range(5, 12)], [4]]),
        ({"cross_attention_layers": [*ODD, 13, 15]}, [EVEN, ODD]),
        ({"eos_token_id": list(range(12))}, [list(range(12))]),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "dtype": "a" * 6 + "b" * 6}, [list(range(12))]),
        ({"layer_types": ["full_attention"] * 12}, [list(range(12))]),
        ({"layer_types": ["sliding_attention", "full_attention"]}, [list(range(12))]),
    ],
)
def test_a_config_says_which_layers_are_alike(says: dict[str, Any], parts: list[list[int]]) -> None:
    assert alike(CONFIG | {"num_hidden_layers": 12} | says, llama(12)) == parts


def test_a_pattern_that_repeats_is_a_design_and_a_single_block_is_not() -> None:
    wide, narrow = llama_block(), llama_block(inner=96)
    config = CONFIG | {"num_hidden_layers": 12}
    every_third = [narrow if i % 3 == 2 else wide for i in range(12)]
    assert alike(config, llama_of(every_third)) == [[0, 1, 3, 4, 6, 7, 9, 10], [2, 5, 8, 11]]
    damaged = [*every_third[:5], wide, *every_third[6:]]
    assert alike(config, llama_of(damaged)) == [[0, 1, 3, 4, 6, 7, 9, 10], [2, 5, 8, 11]]
    for places in ({4}, {4, 9}, {0, 11}):
        some = [narrow if i in places else wide for i in range(12)]
        assert alike(config, llama_of(some)) == [list(range(12))]


def test_layers_without_any_tensor_by_design() -> None:
    """Nemotron-NAS leaves whole blocks out."""
    no_op = {"attention": {"no_op": True}, "ffn": {"no_op": True}}
    plain = {"attention": {"no_op": False}, "ffn": {"no_op": False}}
    config = CONFIG | {"model_type": "nemotron-nas", "block_configs": [plain, no_op, plain, plain]}
    shapes = {name: shape for name, shape in llama(4).items() if ".layers.1." not in name}
    facts = read_config(config)
    assert facts.absent_blocks == {1} and facts.stored_layers == 3
    reading = describe(checkpoint(config, headers(shapes)))
    assert reading.shape.num_hidden_layers == 4 and reading.notes == ()


def test_a_list_that_holds_the_whole_model() -> None:
    """The first Phi: embedding and head are numbered among the blocks, which begin at 1."""
    shapes: Shapes = {f"layers.{i + 1}.{name}": shape for i in range(4) for name, shape in llama_block().items()}
    shapes |= {
        "layers.0.wte.weight": (256, WIDTH),
        "layers.5.ln.weight": (WIDTH,),
        "layers.5.linear.weight": (256, WIDTH),
    }
    tensors = headers(shapes)
    found = read_tensors(tensors, read_config(CONFIG))
    assert found.decoder is not None and [*found.decoder.blocks] == [0, 1, 2, 3]
    assert found.decoder.name_of(3, "mlp.up_proj.weight") == "layers.4.mlp.up_proj.weight"
    assert found.ledger.embedding == found.ledger.unembedding == 256 * WIDTH and found.ledger.other == 0
    assert token_matrices(tensors) == TokenMatrices("layers.0.wte.weight", "layers.5.linear.weight")
    damaged = read_tensors({name: h for name, h in tensors.items() if ".0." not in name}, read_config(CONFIG)).decoder
    assert damaged is not None and min(damaged.blocks) == 1  # of any other list, the first block is missing


PREDICTION = {"eh_proj.weight": (WIDTH, 2 * WIDTH), "enorm.weight": (WIDTH,), "hnorm.weight": (WIDTH,),
              "shared_head.head.weight": (256, WIDTH), "embed_tokens.weight": (256, WIDTH)}  # fmt: skip


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        ("model.layers.4", {"num_nextn_predict_layers": 1}),
        ("model.layers.4", {"num_mtp_layers": 1}),
        ("model.layers.4", {}),
        ("model.mtp_layers.0", {"num_nextn_predict_layers": 1}),
        ("mtp.layers.0", {}),
        ("model.mtp.0", {}),
    ],
)
def test_blocks_for_multi_token_prediction_are_apart(prefix: str, says: dict[str, int]) -> None:
    block = {f"{prefix}.{name}": shape for name, shape in (llama_block() | PREDICTION).items()}
    reading = describe(checkpoint(CONFIG | says, headers(llama() | block)))
    shape = reading.shape
    assert (shape.num_hidden_layers, shape.num_mtp_blocks, shape.params_mtp) == (4, 1, elements(block))
    assert shape.params_total == elements(llama())
    assert len(reading.notes) == 1 and "multi-token prediction" in reading.notes[0]


def test_prediction_blocks_alone_are_no_decoder() -> None:
    block = {f"model.layers.9.{name}": shape for name, shape in PREDICTION.items()}
    read = read_tensors(headers(block), read_config(CONFIG))
    assert read.decoder is None and (read.blocks, read.mtp_blocks) == (0, 1)


def test_a_layer_too_many_is_no_prediction_block() -> None:
    notes = describe(checkpoint(CONFIG, headers(llama(5)))).notes
    assert [note.partition(": ")[2] for note in notes] == ["num_hidden_layers = 4, but the tensors show 5 blocks"]


def test_prelude_core_and_coda_are_one_depth() -> None:
    shapes: Shapes = {"transformer.wte.weight": (256, WIDTH)}
    for part, count in (("prelude", 1), ("core_block", 2), ("coda", 1)):
        for index in range(count):
            shapes |= {f"transformer.{part}.{index}.{name}": shape for name, shape in llama_block().items()}
    config = CONFIG | {"model_type": "huginn_raven", "tie_word_embeddings": True}
    reading = describe(checkpoint(config, headers(shapes)))
    assert reading.notes == () and reading.shape.num_hidden_layers == 4
    decoder = read_tensors(headers(shapes), read_config(config)).decoder
    assert decoder is not None
    assert {decoder.name_of(index, "input_layernorm.weight") for index in decoder.blocks} <= shapes.keys()


def test_feed_forward_widths_by_layer_have_no_single_number() -> None:
    blocks = [llama_block(inner=inner) for inner in (64, 128, 192, 256)]
    config = {key: value for key, value in CONFIG.items() if key != "intermediate_size"} | {"model_type": "openelm"}
    reading = describe(checkpoint(config, headers(llama_of(blocks))))
    assert reading.shape.intermediate_size is None and reading.shape.feed_forward_ratio is None
    assert reading.notes == ("the feed-forward width varies by layer: 64 to 256",)


def test_a_router_is_no_feed_forward_width() -> None:
    block = {name: shape for name, shape in llama_block().items() if not name.startswith("mlp.")}
    block |= {"mlp.gate.weight": (8, WIDTH), "mlp.experts.gate_up_proj": (8, 96, WIDTH)}
    config = CONFIG | {"model_type": "qwen3_moe", "num_experts": 8}
    reading = describe(checkpoint(config, headers(llama_of([block] * 4))))
    assert not any("disagree" in note for note in reading.notes) and not reading.shape.is_dense


FUSED = {"attn.c_attn.weight": (WIDTH, 3 * WIDTH), "attn.c_proj.weight": (WIDTH, WIDTH), "ln_1.weight": (WIDTH,)}


@pytest.mark.parametrize(
    ("config", "block", "heads"),
    [
        ({}, llama_block(), (8, 2, 16)),
        ({"head_dim": None}, llama_block(head_dim=8), (8, 2, 8)),
        ({"model_type": "own", "head_dim": None, "num_key_value_heads": None}, llama_block(), (8, 2, 16)),
        ({"model_type": "own", "head_dim": None, "num_attention_heads": None, "num_key_value_heads": None},
         llama_block() | {"self_attn.q_norm.weight": (16,)}, (8, 2, 16)),
        ({"model_type": "own", "head_dim": None, "num_key_value_heads": None}, FUSED, (8, 8, 8)),
        ({"model_type": "own", "head_dim": None}, {"input_layernorm.weight": (WIDTH,)}, (8, 2, None)),
        ({"model_type": "gpt_bigcode", "num_key_value_heads": None, "head_dim": None, "multi_query": True},
         FUSED | {"attn.c_attn.weight": (WIDTH + 16, WIDTH)}, (8, 1, 8)),
    ],
)  # fmt: skip
def test_heads_come_from_the_config_its_type_and_the_matrices(
    config: dict[str, Any], block: Shapes, heads: tuple[int | None, ...]
) -> None:
    """Never by bare division: what nothing tells is unknown."""
    said = {key: value for key, value in (CONFIG | config).items() if value is not None}
    reading = describe(checkpoint(said, headers(llama_of([block] * 4))))
    shape = reading.shape
    assert (shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim) == heads
    assert reading.notes == ()


@pytest.mark.parametrize(
    ("config", "block", "why"),
    [
        ({"head_dim": 8}, llama_block(), "head_dim = 8, but the tensors show queries of width 128"),
        ({"num_attention_heads": 4}, llama_block(), "head_dim = 16, but the tensors show queries of width 128, not 4"),
        ({"head_dim": 32}, llama_block() | {"self_attn.q_norm.weight": (16,)}, "the tensors show heads of 16"),
        ({"num_key_value_heads": 4}, llama_block(), "num_key_value_heads = 4, but the tensors show keys of width 32"),
        ({"num_key_value_heads": None}, llama_block(), "the default of its type"),
        ({"model_type": "own", "head_dim": None, "num_key_value_heads": 4}, llama_block(), "not 4 heads x 16 = 64"),
    ],
)
def test_where_config_and_matrices_disagree_both_are_shown(config: dict[str, Any], block: Shapes, why: str) -> None:
    said = {key: value for key, value in (CONFIG | config).items() if value is not None}
    notes = describe(checkpoint(said, headers(llama_of([block] * 4)))).notes
    assert len(notes) == 1 and why in notes[0]


def test_a_gate_in_the_query_matrix_or_narrow_values_are_no_disagreement() -> None:
    gated = llama_block() | {"self_attn.q_proj.weight": (2 * 128, WIDTH)}
    narrow = llama_block() | {"self_attn.v_proj.weight": (16, WIDTH), "self_attn.o_proj.weight": (WIDTH, 64)}
    silent = {key: value for key, value in CONFIG.items() if key != "head_dim"} | {"model_type": "own"}
    for config, block in ((CONFIG, gated), (CONFIG, narrow), (silent, gated), (silent, narrow)):
        assert describe(checkpoint(config, headers(llama_of([block] * 4)))).notes == ()


def test_a_quantised_block_has_a_name_of_its_own_weight() -> None:
    tensors = headers(llama()) | {"model.layers.0.mlp.up_proj.weight_scale": TensorHeader("F32", (1,))}
    decoder = read_tensors(tensors, read_config(CONFIG | {"quantization_config": {"quant_method": "fp8"}})).decoder
    assert decoder is not None and "mlp.up_proj.weight_scale" not in decoder.blocks[0]
