"""Side files and config lists that contradict the model or themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.shipped import facts
from tests.checks.checkpoints import BLOCKS, CONFIG, set_config, write_clean, write_sharded


def bad(folder: Path) -> list[tuple[str, str]]:
    report = shape_audit.check(str(folder))
    return [(one.rule, one.message) for one in report.findings if one.severity != "note"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"do_sample": False, "temperature": 0.9, "top_p": 0.6},
         "do_sample is false, so temperature = 0.9, top_p = 0.6 have no effect"),
        ({"top_k": 20}, "do_sample is not set, so top_k = 20 has no effect"),
        ({"num_beams": 1, "length_penalty": 0.8}, "num_beams is 1, so length_penalty = 0.8 has no effect"),
        ({"do_sample": True, "temperature": 0.0}, "do_sample is true with temperature = 0, which sampling refuses"),
        ({"do_sample": True, "temperature": -0.5}, "temperature = -0.5, which samplers refuse"),
        ({"do_sample": True, "top_p": 1.5}, "top_p = 1.5, which samplers refuse"),
        ({"repetition_penalty": 0}, "repetition_penalty = 0, which samplers refuse"),
        ({"num_return_sequences": 3}, "num_return_sequences = 3 without sampling, but there are 1 beams"),
        ({"min_length": 9, "max_length": 5}, "min_length = 9 is more than max_length = 5"),
    ],
)  # fmt: skip
def test_generation_settings_that_contradict_each_other(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps(settings))
    assert bad(folder) == [("SA606", says)]


@pytest.mark.parametrize(
    "settings",
    [
        {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "max_length": 64},
        {"do_sample": True, "top_k": -1, "repetition_penalty": 1.05},
        {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50},
        {"do_sample": False, "temperature": None, "top_p": None},
        {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "num_return_sequences": 2},
        {"do_sample": "x", "num_beams": [], "min_length": None},
    ],
)
def test_generation_settings_that_fit_together(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps(settings))
    assert bad(folder) == []


ROPE = {"rope_type": "longrope", "original_max_position_embeddings": 64}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"layer_types": ["full_attention"] * 3}, ["layer_types has 3 entries, but there are 4 layers"]),
        ({"no_rope_layers": [1] * 5}, ["no_rope_layers has 5 entries, but there are 4 layers"]),
        ({"no_rope_layers": []}, []),  # Llama 4 Scout
        ({"text_config": {**CONFIG, "layer_types": ["full_attention"] * 6}},
         ["layer_types has 6 entries, but there are 4 layers"]),
        ({"rope_scaling": {**ROPE, "short_factor": [1.0] * 4, "long_factor": [1.0] * 8}},
         ["long_factor of rope has 8 factors; the head dimension takes 4"]),
        ({"partial_rotary_factor": 0.5,
          "rope_scaling": {**ROPE, "short_factor": [1.0] * 4, "long_factor": [1.0] * 2}},
         ["short_factor of rope has 4 factors; the head dimension takes 2"]),
        ({"layer_types": ["full_attention", "global", "local", "full_attention"]},
         ["layer_types names global, local, which is no kind of layer in transformers"]),
        ({"layer_types": ["mamba", "attention", "linear_attention", "conv"], "mlp_layer_types": ["hash_moe"] * 4}, []),
        ({"layer_types": ["own"] * 4, "model_type": "own"}, []),
        ({"layer_types": ["full_attention"] * (BLOCKS + 1), "num_nextn_predict_layers": 1}, []),
        ({"rope_scaling": {**ROPE, "short_factor": [1.0] * 4, "long_factor": [1.0] * 4}}, []),
        ({"qk_rope_head_dim": 4, "rope_scaling": {**ROPE, "short_factor": [1.0] * 2, "long_factor": [1.0] * 2}}, []),
    ],
)  # fmt: skip
def test_lists_of_another_length_than_what_they_list(values: dict[str, Any], says: list[str], tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**values)(folder)
    assert [message for rule, message in bad(folder) if rule == "SA319"] == says


@pytest.mark.parametrize("by_kind", [False, True])
def test_ids_and_rope_of_a_text_model_inside_another(by_kind: bool, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    rope: dict[str, Any] = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16}
    rope = {"full_attention": rope, "sliding_attention": {"rope_type": "default"}} if by_kind else rope
    set_config(text_config={**CONFIG, "pad_token_id": 4096, "rope_parameters": rope})(folder)
    assert bad(folder) == [
        ("SA602", "pad_token_id = 4096, but the embedding has 256 rows"),
        ("SA604", "max_position_embeddings = 64, but rope is scaled to 2 x 16 = 32"),
    ]


@pytest.mark.parametrize(
    ("heads", "key_value_heads", "degrees"),
    [(40, 10, "4 or 8"), (32, 8, ""), (16, 1, ""), (24, 3, "2 or 4 or 8"), (64, 4, ""), (12, 12, ""), (28, 4, "")],
)
def test_key_value_heads_that_devices_cannot_share(
    heads: int, key_value_heads: int, degrees: str, tmp_path: Path
) -> None:
    """Fewer heads than devices are copied, which works if each is copied as often; more must split evenly."""
    folder = write_clean(tmp_path / "model")
    set_config(num_attention_heads=heads, num_key_value_heads=key_value_heads)(folder)
    found = [one.message for one in shape_audit.check(str(folder), select=("SA206",)).findings]
    said = [message for message in found if message.startswith("num_key_value_heads")]
    wanted = f"num_key_value_heads = {key_value_heads} does not split into {degrees} equal parts"
    assert said == ([wanted] if degrees else [])


def test_the_kinds_of_layers_are_those_of_the_installed_transformers() -> None:
    from transformers import configuration_utils as theirs

    ours = facts("config_facts")["layer_kind_names"]
    legacy = getattr(theirs, "_LEGACY_LAYER_TYPE_REMAP", {})
    assert {*ours["layer_types"]} >= {*getattr(theirs, "ALLOWED_ATTN_LAYER_TYPES", ()), *legacy}


@pytest.mark.parametrize("metadata", [{"metadata": None}, {"metadata": []}, {}])
def test_an_index_without_metadata_is_none_that_transformers_loads(metadata: dict[str, Any], tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    write_sharded(folder, lambda index: (index.pop("metadata"), index.update(metadata)))
    assert bad(folder) == [("SA407", "it has no object `metadata`; one that is empty will do")]
    from transformers import AutoModelForCausalLM

    with pytest.raises((KeyError, TypeError)):
        AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("total", "says"),
    [("4096", "total_size is '4096', not a number"), (True, "not a number"), (1, "total_size is 1, the tensors take")],
)
def test_a_total_that_is_no_number_is_said_to_be_none(total: object, says: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    write_sharded(folder, lambda index: index["metadata"].update(total_size=total))
    ((rule, message),) = bad(folder)
    assert rule == "SA307" and says in message
