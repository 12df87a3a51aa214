"""--deep: transformers itself says what fits, for every architecture the tests know."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import shape_audit
from tests.checks.checkpoints import set_config, write_clean
from tests.tiny_models import CASES, save_tiny

SHOWN = ("error", "warning")


@pytest.mark.parametrize("case", CASES)
def test_models_that_transformers_saved_itself_have_no_errors(case: str, tmp_path: Path) -> None:
    report = shape_audit.check(str(save_tiny(tmp_path / case, case)), deep=True, weights=True)
    assert [f"{found.rule} {found.message}" for found in report.findings if found.severity == "error"] == []
    assert [found.rule for found in report.findings if found.rule.startswith(("SA3", "SA5"))] == []


def test_a_clean_checkpoint_can_be_built(tmp_path: Path) -> None:
    report = shape_audit.check(str(write_clean(tmp_path / "model")), deep=True)
    assert report.findings == [] and "SA313" in report.rules_run


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "falcon", "gemma3"])
def test_tensors_that_only_the_architecture_tells_about(architecture: str, tmp_path: Path) -> None:
    """The final norm is in no block; without --deep nothing misses it."""
    folder = save_tiny(tmp_path / "model", architecture)
    weights = load_file(folder / "model.safetensors")
    norm = next(name for name in reversed(list(weights)) if weights[name].ndim == 1 and not any(
        part.isdigit() for part in name.split(".")))  # fmt: skip
    values = weights.pop(norm)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert not [found for found in shape_audit.check(str(folder)).findings if found.rule == "SA301"]
    (found,) = [found for found in shape_audit.check(str(folder), deep=True).findings if found.rule == "SA301"]
    assert found.place == norm and found.severity == "error"
    save_file(weights | {norm: values[:-1].clone(), "more": values}, folder / "model.safetensors", {"format": "pt"})
    deep = [(found.rule, found.place) for found in shape_audit.check(str(folder), deep=True).findings]
    assert ("SA303", norm) in deep and ("SA302", "more") in deep


@pytest.mark.parametrize(
    "values", [{"model_type": "nothing"}, {"num_attention_heads": 0}, {"hidden_act": "none-such"}, {"model_type": None}]
)
def test_what_transformers_cannot_build_is_a_finding(values: dict, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**values)(folder)
    report = shape_audit.check(str(folder), deep=True)
    assert "SA313" in [found.rule for found in report.failing] or "SA407" in [found.rule for found in report.failing]


def test_no_weights_are_read(tmp_path: Path) -> None:
    """A file of the right size with nothing but its header is enough; so a Hub model is not downloaded."""
    folder = write_clean(tmp_path / "model")
    path = folder / "model.safetensors"
    length = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.truncate(length)
        stream.truncate(size)
    assert shape_audit.check(str(folder), deep=True).findings == []


def test_the_config_alone_is_not_trusted(tmp_path: Path) -> None:
    """An index of two shards, one of them without a sound header: the other one is compared all the same."""
    folder = write_clean(tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    rules = {found.rule for found in shape_audit.check(str(folder), deep=True).failing}
    assert "SA303" in rules or "SA313" in rules
