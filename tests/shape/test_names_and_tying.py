"""Native tensor names, tied matrices of which one is stored, and what counts as a causal language model."""

from typing import Any

import pytest

from shape_audit.shape import describe, read_config, read_tensors, tying
from tests.shape.headers import CONFIG, WIDTH, Shapes, checkpoint, elements, headers, llama, llama_block

INNER, ROWS = 192, 256
LAYOUTS: dict[str, tuple[str, Shapes, str, str]] = {
    # name: (prefix of a block, its attention and feed-forward matrices, embedding, output matrix)
    "internlm2": ("model.layers.{}.", {
        "attention.wqkv.weight": (192, WIDTH), "attention.wo.weight": (WIDTH, 128),
        "feed_forward.w1.weight": (INNER, WIDTH), "feed_forward.w2.weight": (WIDTH, INNER),
        "attention_norm.weight": (WIDTH,), "ffn_norm.weight": (WIDTH,)}, "model.tok_embeddings", "output"),
    "llama-native": ("layers.{}.", {
        "attention.wq.weight": (128, WIDTH), "attention.wo.weight": (WIDTH, 128),
        "feed_forward.w1.weight": (INNER, WIDTH), "attention_norm.weight": (WIDTH,)}, "tok_embeddings", "output"),
    "olmo1": ("model.transformer.blocks.{}.", {
        "att_proj.weight": (192, WIDTH), "attn_out.weight": (WIDTH, 128),
        "ff_proj.weight": (2 * INNER, WIDTH), "ff_out.weight": (WIDTH, INNER)},
        "model.transformer.wte", "model.transformer.ff_out"),
    "chatglm": ("transformer.encoder.layers.{}.", {
        "self_attention.query_key_value.weight": (192, WIDTH), "self_attention.dense.weight": (WIDTH, 128),
        "mlp.dense_h_to_4h.weight": (2 * INNER, WIDTH), "mlp.dense_4h_to_h.weight": (WIDTH, INNER),
        "input_layernorm.weight": (WIDTH,)}, "transformer.embedding.word_embeddings", "transformer.output_layer"),
    "baichuan": ("model.layers.{}.", {
        "self_attn.W_pack.weight": (3 * 128, WIDTH), "self_attn.o_proj.weight": (WIDTH, 128),
        "mlp.up_proj.weight": (INNER, WIDTH), "input_layernorm.weight": (WIDTH,)}, "model.embed_tokens", "lm_head"),
    "qwen1": ("transformer.h.{}.", {
        "attn.c_attn.weight": (3 * 128, WIDTH), "attn.c_proj.weight": (WIDTH, 128), "mlp.w1.weight": (INNER, WIDTH),
        "mlp.c_proj.weight": (WIDTH, INNER), "ln_1.weight": (WIDTH,)}, "transformer.wte", "lm_head"),
    "mpt": ("transformer.blocks.{}.", {
        "attn.Wqkv.weight": (3 * 128, WIDTH), "attn.out_proj.weight": (WIDTH, 128),
        "ffn.up_proj.weight": (INNER, WIDTH), "norm_1.weight": (WIDTH,)}, "transformer.wte", "lm_head"),
    "openelm": ("transformer.layers.{}.", {
        "attn.qkv_proj.weight": (192, WIDTH), "attn.out_proj.weight": (WIDTH, 128), "attn_norm.weight": (WIDTH,),
        "ffn.proj_1.weight": (2 * INNER, WIDTH), "ffn.proj_2.weight": (WIDTH, INNER)},
        "transformer.token_embeddings", "lm_head"),
    "phi-native": ("transformer.h.{}.", {
        "mixer.Wqkv.weight": (3 * 128, WIDTH), "mixer.out_proj.weight": (WIDTH, 128), "ln.weight": (WIDTH,),
        "mlp.fc1.weight": (INNER, WIDTH), "mlp.fc2.weight": (WIDTH, INNER)}, "transformer.embd.wte", "lm_head.linear"),
    "plamo3": ("model.layers.layers.{}.", {
        "mixer.qkv_proj.weight": (192, WIDTH), "mixer.o_proj.weight": (WIDTH, 128), "mixer.q_norm.weight": (16,),
        "mlp.gate_up_proj.weight": (2 * INNER, WIDTH), "mlp.down_proj.weight": (WIDTH, INNER),
        "pre_mixer_norm.weight": (WIDTH,)}, "model.embed_tokens", "lm_head"),
    "minimind": ("layers.{}.", {
        "attention.wq.weight": (128, WIDTH), "attention.wk.weight": (32, WIDTH), "attention.wo.weight": (WIDTH, 128),
        "feed_forward.w1.weight": (INNER, WIDTH), "feed_forward.w3.weight": (INNER, WIDTH),
        "attention_norm.weight": (WIDTH,), "ffn_norm.weight": (WIDTH,)}, "tok_embeddings", "output"),
    "megatron": ("decoder.layers.{}.", {
        "self_attention.linear_qkv.weight": (192, WIDTH), "self_attention.linear_proj.weight": (WIDTH, 128),
        "mlp.linear_fc1.weight": (2 * INNER, WIDTH), "mlp.linear_fc2.weight": (WIDTH, INNER)},
        "embedding.word_embeddings", "output_layer"),
    "mixtral": ("model.layers.{}.", {
        "self_attn.q_proj.weight": (128, WIDTH), "block_sparse_moe.gate.weight": (8, WIDTH),
        "block_sparse_moe.experts.0.w1.weight": (INNER, WIDTH), "input_layernorm.weight": (WIDTH,)},
        "model.embed_tokens", "lm_head"),
}  # fmt: skip


def stored(layout: str) -> Shapes:
    prefix, block, embedding, output = LAYOUTS[layout]
    shapes: Shapes = {f"{embedding}.weight": (ROWS, WIDTH), f"{output}.weight": (ROWS, WIDTH)}
    for index in range(4):
        shapes |= {prefix.format(index) + name: shape for name, shape in block.items()}
    return shapes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_native_names_have_their_roles(layout: str) -> None:
    shapes = stored(layout)
    config = CONFIG | {"model_type": f"own-{layout}", "tie_word_embeddings": False}
    shape = describe(checkpoint(config, headers(shapes))).shape
    block = LAYOUTS[layout][1]
    norms = elements({name: size for name, size in block.items() if len(size) == 1})
    feed_forward = ("mlp", "ffn.", "feed_forward", "ff_", "block_sparse")
    inner = elements({name: size for name, size in block.items() if name.startswith(feed_forward)})
    assert shape.ledger.model_dump() == {
        "embedding": ROWS * WIDTH, "unembedding": ROWS * WIDTH, "norms": 4 * norms, "feed_forward": 4 * inner,
        "attention": 4 * (elements(block) - norms - inner), "other": 0,
    }  # fmt: skip
    assert not shape.tie_word_embeddings and shape.is_dense == (layout != "mixtral")


def test_what_lies_beside_a_text_model_is_not_of_it() -> None:
    """MiniCPM-o's speech synthesiser, and Granite Speech's encoder: whatever their names are."""
    shapes = {name.replace("model.", "llm.model."): shape for name, shape in llama().items()}
    shapes["llm.lm_head.weight"] = shapes.pop("lm_head.weight")
    more = {"tts.model.embed_tokens.weight": (500, 32), "tts.decoder_block.0.dwconv.weight": (32, 1, 7)}
    mtp = {f"mtp.layers.0.{name}": shape for name, shape in llama_block().items()}
    reading = describe(checkpoint(CONFIG, headers(shapes | more | mtp)))
    assert reading.shape.is_dense and reading.shape.params_total == elements(llama())
    assert reading.shape.params_mtp == elements(mtp)
    assert f"the text model alone: {elements(more):,} parameters for images or sound are left out" in reading.notes
    inside = {name.replace("model.", "_orig_mod.model.text_model."): shape for name, shape in llama().items()}
    inside["_orig_mod.lm_head.weight"] = inside.pop("lm_head.weight")  # in whatever a wrapper has put both
    assert describe(checkpoint(CONFIG, headers(inside | more))).shape.params_total == elements(llama())


def test_an_embedding_that_is_no_module() -> None:
    """Moondream's is a parameter: a name without `weight`."""
    shapes = {name.replace("model.embed_tokens.weight", "model.text.wte"): shape for name, shape in llama().items()}
    shapes["model.text.post_ln.weight"] = (WIDTH,)
    silent = {key: value for key, value in CONFIG.items() if key != "tie_word_embeddings"} | {"model_type": "own"}
    reading = describe(checkpoint(silent, headers(shapes)))
    assert not reading.shape.tie_word_embeddings and reading.shape.ledger.other == 0 and reading.notes == ()


def test_roles_that_are_not_known_are_said_instead_of_shown() -> None:
    strange = {f"net.layers.{i}.spin.weight": (500, WIDTH) for i in range(4)}
    reading = describe(checkpoint(CONFIG, headers(llama() | strange)))
    assert not reading.shape.has_known_roles
    assert (
        reading.notes[-1] == "the ledger has no role for 33 % of the parameters, net.layers.0.spin.weight for example"
    )


TEXT = {key: value for key, value in CONFIG.items() if key not in ("tie_word_embeddings", "architectures")} | {
    "model_type": "mistral"
}


@pytest.mark.parametrize(
    ("says", "without", "tied", "fault"),
    [
        ({"tie_word_embeddings": True}, "lm_head", True, None),
        ({"tie_word_embeddings": True}, "embed_tokens", True, None),
        ({"tie_word_embeddings": True}, "\0", True, None),
        ({"tie_word_embeddings": False}, "\0", False, None),
        ({"tie_word_embeddings": False}, "lm_head", False, "no output matrix is stored"),
        ({"tie_word_embeddings": False}, "embed_tokens", False, "no token embedding is stored"),
        ({}, "lm_head", False, "no output matrix is stored"),
        ({"model_type": "gemma"}, "lm_head", True, None),
        ({"model_type": "own"}, "lm_head", True, None),
        ({"model_type": "own"}, "embed_tokens", True, None),
        ({"model_type": "own"}, "\0", False, None),
        ({"tie_word_embeddings": False, "architectures": ["LlamaModel"]}, "lm_head", False, None),
        ({"model_type": "mistral3", "text_config": TEXT}, "\0", False, None),
        ({"model_type": "mistral3", "text_config": TEXT | {"tie_word_embeddings": False}}, "\0", False, None),
        ({"model_type": "mistral3", "text_config": TEXT | {"tie_word_embeddings": True}}, "lm_head", True, None),
        ({"model_type": "gemma3", "text_config": TEXT | {"model_type": "gemma3_text"}}, "lm_head", True, None),
    ],
)
def test_a_matrix_that_is_absent_is_counted_once_or_missed(
    says: dict[str, Any], without: str, tied: bool, fault: str | None
) -> None:
    """`llama` is untied where its config is silent, `gemma` tied; of a type nobody knows what is stored decides."""
    config = {key: value for key, value in CONFIG.items() if key != "tie_word_embeddings"} | says
    tensors = headers({name: shape for name, shape in llama().items() if without not in name})
    shape = describe(checkpoint(config, tensors)).shape
    facts = read_config(config)
    found = tying(facts, read_tensors(tensors, facts))
    assert found.is_tied == shape.tie_word_embeddings == tied
    assert (found.fault is None) == (fault is None) and (fault or "") in (found.fault or "")
    matrix = ROWS * WIDTH
    if tied:
        assert (shape.ledger.embedding, shape.ledger.unembedding) == (matrix, 0)
    assert shape.params_non_embedding == elements(llama()) - 2 * matrix
    assert shape.params_total == shape.params_non_embedding + matrix * (2 - (tied or without != "\0"))


LANGUAGE = {"num_hidden_layers": 4, "hidden_size": WIDTH, "vocab_size": 256}


@pytest.mark.parametrize(
    ("config", "is_causal"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, True),
        ({"architectures": ["QWenLMHeadModel"], "model_type": "qwen"}, True),
        (
            {
                "architectures": ["ChatGLMModel"],
                "model_type": "chatglm",
                "auto_map": {"AutoModelForCausalLM": "modeling.ChatGLM"},
            },
            True,
        ),
        ({"architectures": ["ReformerModelWithLMHead"], "is_decoder": True, "model_type": "reformer"}, True),
        ({"architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl"}, True),
        ({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "text_config": {}}, True),
        ({"architectures": ["InternVLChatModel"], "model_type": "internvl_chat", "llm_config": LANGUAGE}, True),
        ({"architectures": ["CLIPModel"], "model_type": "clip", "text_config": LANGUAGE}, False),
        ({"architectures": ["LlamaModel"], "model_type": "llama"}, False),
        ({"architectures": ["LlamaForSequenceClassification"], "model_type": "llama"}, False),
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, False),
        ({"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"}, False),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, False),
        ({"model_type": "llama"}, None),
        ({"architectures": ["MiniMindLM"], "model_type": "minimind"}, None),
        ({"architectures": ["GPT"]}, None),
        ({"architectures": ["OwnForTokenClassification"], "model_type": "own"}, False),
        ({"architectures": ["ChatGLMForConditionalGeneration"], "model_type": "chatglm"}, None),
    ],
)
def test_what_a_causal_language_model_is(config: dict[str, Any], is_causal: bool | None) -> None:
    assert read_config(LANGUAGE | config).is_causal_lm is is_causal


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        ({"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064}}, (32, 4096, 32, 32, 128)),
        ({"model_type": "llava"}, (32, 4096, 32, 32, 128)),
        ({"model_type": "gemma3", "text_config": {"hidden_size": 2560, "num_hidden_layers": 34}},
         (34, 2560, 8, 4, 256)),
        ({"model_type": "qwen2_5_omni", "thinker_config": {"text_config": {"num_hidden_layers": 36,
          "hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 2}}}, (36, 2048, 16, 2, 128)),
        ({"model_type": "qwen2_vl", "hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12,
          "num_key_value_heads": 2}, (28, 1536, 12, 2, 128)),
        ({"model_type": "gpt_bigcode", "n_embd": 256, "n_layer": 6, "n_head": 8, "multi_query": False},
         (6, 256, 8, 8, 32)),
        ({"model_type": "gpt_bigcode", "n_embd": 256, "n_layer": 6, "n_head": 8}, (6, 256, 8, 1, 32)),
        ({"model_type": "nemotron_h", "layers_block_type": ["mamba", "moe"] * 3}, (6, 4096, 32, 8, 128)),
        ({"model_type": "own_vl", "language_config": {"model_type": "llama", "num_hidden_layers": 30,
          "num_attention_heads": 16, "hidden_size": 2048}}, (30, 2048, 16, 16, 128)),
    ],
)  # fmt: skip
def test_thin_configs_and_what_follows_from_their_other_keys(config: dict[str, Any], sizes: tuple[int, ...]) -> None:
    facts = read_config(config)
    assert sizes == (facts.num_hidden_layers, facts.hidden_size, facts.num_attention_heads,
                     facts.num_key_value_heads, facts.head_dim)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "rows", "fits"),
    [
        ({"model_type": "llama", "vocab_size": 250}, 256, False),
        ({"model_type": "own", "vocab_size": 250}, 256, True),
        ({"model_type": "own", "vocab_size": 250}, 257, False),
        ({"model_type": "own", "vocab_size": 250}, 512, True),
        ({"model_type": "hf_olmo", "vocab_size": 100, "embedding_size": 256}, 256, True),
        ({"model_type": "hf_olmo", "vocab_size": 100, "embedding_size": 300}, 256, False),
        ({"model_type": "mllama_text_model", "vocab_size": 256}, 264, True),
        ({"model_type": "mllama_text_model", "vocab_size": 256}, 256, False),
        (
            {"model_type": "kyutai_speech_to_text", "vocab_size": 250, "num_codebooks": 2, "codebook_vocab_size": 8},
            267,
            True,
        ),
    ],
)
def test_padded_vocabularies_are_no_disagreement(config: dict[str, Any], rows: int, fits: bool) -> None:
    shapes = llama() | {"model.embed_tokens.weight": (rows, WIDTH)}
    notes = describe(checkpoint(CONFIG | config, headers(shapes))).notes
    assert ("vocab_size" in "".join(notes)) != fits


def test_rows_of_added_tokens_may_be_stored_apart() -> None:
    shapes = {name: shape for name, shape in llama().items() if "embed_tokens" not in name}
    shapes |= {"model.transformer.wte.embedding": (256, WIDTH), "model.transformer.wte.new_embedding": (8, WIDTH)}
    config = CONFIG | {"model_type": "molmo2_text", "additional_vocab_size": 8}
    reading = describe(checkpoint(config, headers(shapes)))
    assert reading.notes == () and reading.shape.ledger.embedding == 264 * WIDTH


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({"model_type": "qwen", "intermediate_size": 2 * INNER}, INNER),
        ({"model_type": "hf_olmo", "mlp_hidden_size": 2 * INNER, "activation_type": "swiglu"}, INNER),
        ({"model_type": "hf_olmo", "mlp_hidden_size": INNER, "activation_type": "gelu"}, INNER),
        ({"model_type": "molmo", "intermediate_size": 2 * INNER}, INNER),
        ({"model_type": "kyutai_speech_to_text", "ffn_dim": 2 * INNER}, INNER),
        ({"model_type": "lfm2", "intermediate_size": 12288}, INNER),
    ],
)
def test_keys_that_mean_something_else_for_their_type(config: dict[str, Any], size: int) -> None:
    plain = {key: value for key, value in CONFIG.items() if key != "intermediate_size"}
    reading = describe(checkpoint(plain | config, headers(llama())))
    assert reading.shape.intermediate_size == size
    assert not any("intermediate_size" in note for note in reading.notes)


def test_layers_of_several_attention_parts_are_told() -> None:
    """LongCat-Flash: 28 layers of two attention parts each, which transformers counts as 56."""
    shapes = llama()
    for name, shape in llama().items():
        if ".self_attn." in name:
            del shapes[name]
            shapes |= {name.replace("self_attn.", f"self_attn.{part}."): shape for part in (0, 1)}
    notes = describe(checkpoint(CONFIG, headers(shapes))).notes
    assert "each of the 4 layers holds 2 attention parts: 8 in all, which some count as layers" in notes
