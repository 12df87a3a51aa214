"""Anything at all under the names that are read: a finding or a line, in bounded time, never a clean bill of health."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shape_audit
from shape_audit.checks import FORMATS, RULES, formatted, read_policy, write_baseline
from shape_audit.checks.tensor_groups import grouped
from tests.checks.checkpoints import (
    CONFIG,
    Tensors,
    clean_tensors,
    safetensors_bytes,
    set_config,
    set_tensors,
    write_clean,
    write_sharded,
)

ODD: list[Any] = [None, -1, 0, 1, 10**400, -0.5, 1e308, float("nan"), "", "x", "\ud800", True, False, [], [1], [[]], {},
                  {"a": 1}, [None] * 3, {"factor": "x", "original_max_position_embeddings": -1}]  # fmt: skip
KEYS = [*CONFIG, "head_dim", "quantization_config", "rope_scaling", "rope_parameters", "auto_map", "text_config",
        "layer_types", "num_local_experts", "num_labels", "torch_dtype"]  # fmt: skip
BYTES: dict[str, bytes] = {
    "empty": b"", "binary": bytes(range(256)) * 50, "null": b"null", "list": b"[]", "text": b'"x"', "number": b"1e999",
    "nested": b"[" * 200_000, "nested objects": b'{"a":' * 100_000, "half": b'{"hidden_size": 6',
    "bom": b"\xef\xbb\xbf{}",
    "utf-16": '{"a": 1}'.encode("utf-16"), "two": b"{}{}", "huge header": (5 * 10**9).to_bytes(8, "little") + b"{}",
    "largest header": b"\xff" * 8, "surrogate": b'{"a": "\\ud800"}',
}  # fmt: skip
WEIGHTS = "model.safetensors"
UP = "model.layers.1.mlp.up_proj.weight"


def checked(folder: Path, **how: Any) -> shape_audit.CheckReport:
    """A check whose report can be written in every format."""
    report = shape_audit.check(str(folder), weights=True, **how)
    for form in FORMATS:
        formatted(report, form, anchor="config.json")
    return report


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_clean(tmp_path / "model")


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("file", ["config.json", WEIGHTS])
def test_any_bytes_in_a_file_that_matters_fail_the_check(file: str, kind: str, model: Path) -> None:
    (model / file).write_bytes(BYTES[kind])
    assert checked(model).failing


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize(
    "file", ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json"]
)
def test_any_bytes_in_a_side_file_are_a_finding_at_most(file: str, kind: str, model: Path) -> None:
    if file.endswith("index.json"):
        write_sharded(model)
    (model / file).write_bytes(BYTES[kind])
    assert checked(model).failing


@pytest.mark.parametrize("key", KEYS)
def test_any_value_of_any_key_of_the_config_is_survived(key: str, model: Path) -> None:
    for value in ODD:
        set_config(**{key: value})(model)
        checked(model)


@pytest.mark.parametrize("key", ["num_hidden_layers", "hidden_size", "vocab_size", "num_attention_heads"])
def test_an_impossible_size_fails_the_check(key: str, model: Path) -> None:
    for value in (-1, 0, 0.5, "x", True, {}, 10**400):
        set_config(**{key: value})(model)
        assert checked(model).failing, value


@pytest.mark.parametrize("place", ["weight_map", "metadata"])
def test_any_index_is_survived(place: str, model: Path) -> None:
    for value in [*ODD, {"lm_head.weight": "../../etc/passwd"}, {"lm_head.weight": 5}, {"total_size": "x"}]:
        write_sharded(write_clean(model.parent / "again"), lambda index, value=value: index.update({place: value}))
        checked(model.parent / "again")
        for file in (model.parent / "again").iterdir():
            file.unlink()
        (model.parent / "again").rmdir()


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_any_value_in_side_files_is_survived(file: str, model: Path) -> None:
    keys = ("model", "added_tokens", "eos_token", "eos_token_id", "bos_token", "pad_token_id")
    for value in [*ODD, {"vocab": [1, ["x"], None]}, {"vocab": {"x": "y"}}, [{"id": "x", "content": 5}], [5]]:
        (model / file).write_text(json.dumps(dict.fromkeys(keys, value)))
        checked(model)


def as_folder(path: Path) -> None:
    path.mkdir()


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [as_folder, as_pipe, as_loop])
@pytest.mark.parametrize("file", ["config.json", WEIGHTS, "model-00001-of-00002.safetensors"])
def test_what_is_no_file_fails_the_check_and_does_not_hang(
    make: Callable[[Path], None], file: str, model: Path
) -> None:
    if file.startswith("model-"):
        write_sharded(model)
    (model / file).unlink()
    make(model / file)
    assert checked(model).failing


def test_names_that_are_no_text_are_survived(model: Path) -> None:
    path = os.path.join(os.fsencode(model), b"\xff\xfe.pt")
    with open(path, "wb"):
        pass
    assert [found.rule for found in checked(model).findings] == ["SA701"]


def without_target(path: Path) -> None:
    path.symlink_to("/nonexistent/blob")


def a_link_to_a_folder(path: Path) -> None:
    path.symlink_to("/tmp")


@pytest.mark.parametrize("make", [without_target, a_link_to_a_folder])
@pytest.mark.parametrize("file", ["config.json", WEIGHTS])
def test_links_to_nothing_that_can_be_read_fail_the_check(make: Callable[[Path], None], file: str, model: Path) -> None:
    (model / file).unlink()
    make(model / file)
    assert checked(model).failing


@pytest.mark.parametrize("weight_map", [{"a": "config.json"}, {"a": "tokenizer.json"}, {}])
def test_an_index_of_no_weights_fails_the_check(weight_map: dict[str, str], model: Path) -> None:
    (model / WEIGHTS).unlink()
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert checked(model).failing


@pytest.mark.parametrize("names", [[], ["a"], ["model.norm.weight"], ["model.embed_tokens.weight", "lm_head.weight"]])
def test_weights_without_a_block_fail_the_check(names: list[str], model: Path) -> None:
    tensors = {name: values for name, values in clean_tensors().items() if name in names}
    (model / WEIGHTS).write_bytes(safetensors_bytes(tensors))
    assert checked(model).failing


@pytest.mark.parametrize("quantization", [None, "x", {}, []])
def test_a_quantisation_that_is_none_hides_nothing(quantization: Any, model: Path) -> None:
    def shorten(tensors: Tensors) -> None:
        tensors[UP] = tensors[UP][1:]

    set_tensors(shorten)(model)
    set_config(quantization_config=quantization)(model)
    assert "SA303" in [found.rule for found in checked(model).failing]


def test_empty_weights_dimensions_are_survived(model: Path) -> None:
    names = ("model.layers.0.input_layernorm.weight", "model.layers.0.mlp.up_proj.weight", "model.embed_tokens.weight")
    shapes = [(0,), (0, 64), (0, 64)]
    tensors = {name: np.zeros(shape, "<f4") for name, shape in zip(names, shapes, strict=True)}
    (model / WEIGHTS).write_bytes(safetensors_bytes(tensors))
    assert checked(model).failing


@pytest.mark.parametrize(
    ("key", "value"),
    [("model_type", None), ("tie_word_embeddings", "false"), ("bos_token_id", "abc"), ("eos_token_id", {}),
     ("dtype", 5), ("rope_scaling", "x"), ("vocab_size", [256]), ("num_hidden_layers", [4]), ("architectures", "x")],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_fails_the_check(key: str, value: Any, model: Path) -> None:
    set_config(**{key: value})(model)
    assert [(found.rule, found.place) for found in checked(model).failing] == [("SA407", key)]


def test_a_key_that_is_there_twice_fails_the_check(model: Path) -> None:
    text = (model / "config.json").read_text()
    (model / "config.json").write_text('{"hidden_size": 1, ' + text[1:])
    assert [found.rule for found in checked(model).failing] == ["SA405"]


def test_millions_of_lists_are_not_parsed(model: Path) -> None:
    (model / "config.json").write_text('{"a": [' + "[]," * 1_200_000 + "[]]}")
    assert "holds millions of lists" in checked(model).failing[0].message


def test_an_absurd_depth_is_not_built(model: Path) -> None:
    set_config(num_hidden_layers=10**6)(model)
    (found,) = checked(model, deep=True, select=("SA313",)).failing
    assert "num_hidden_layers = 1000000 is implausible" in found.message
    assert [found.rule for found in checked(model, deep=True).failing] == ["SA304"]


def test_new_damage_of_a_kind_is_not_hidden_by_a_baseline(model: Path) -> None:
    baseline = model.parent / "baseline.json"

    def poison(count: int) -> None:
        set_tensors(
            lambda tensors: [tensors[name].reshape(-1).__setitem__(0, np.nan) for name in list(tensors)[:count]]
        )(model)

    poison(25)
    assert len(write_baseline(checked(model), baseline)) == len(checked(model).failing) > 0
    assert not checked(model, baseline=baseline).failing
    poison(39)
    (found,) = checked(model, baseline=baseline).failing
    assert found.message.startswith("all 39 tensors: ")


def test_a_group_of_more_tensors_is_another_place_even_where_its_name_is_cut_short() -> None:
    names = [f"model.layers.{index}.mlp.up_proj.weight" for index in range(40)]
    some, more = (grouped(names[0:end:2], among=[*names, "lm_head.weight"])[0] for end in (30, 32))
    assert "..." in some.pattern == more.pattern and some.place != more.place


def test_a_policys_huge_numbers_are_refused(model: Path) -> None:
    for text in (f"interval = [0, 1{'0' * 400}]", f"[bounds]\ntensor-parallel = [0x{'f' * 5000}]"):
        (model.parent / "policy.toml").write_text(text)
        with pytest.raises(shape_audit.UsageError, match=r"an implausible number|no range"):
            read_policy(model.parent / "policy.toml", RULES)


Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.dictionaries(st.sampled_from(["model.norm.weight", "lm_head.weight", "x", "__metadata__"]), Json))
def test_any_header_fails_the_check(header: dict[str, Any], model: Path) -> None:
    def change(whole: dict[str, Any]) -> None:
        whole.update(header)

    (model / WEIGHTS).write_bytes(safetensors_bytes({}, change))
    assert checked(model).failing


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.sampled_from(KEYS), Json, max_size=4))
def test_any_config_is_survived(values: dict[str, Any], model: Path) -> None:
    (model / "config.json").write_text(json.dumps({**CONFIG, **values}))
    checked(model)
