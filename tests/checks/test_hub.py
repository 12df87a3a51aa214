"""Checks by name, through the real client and a loopback Hub."""

import json
from pathlib import Path

import pytest

from tests.checks.checkpoints import CONFIG, clean_tensors, safetensors_bytes, set_tensors, write_clean, write_sharded
from tests.conftest import Program
from tests.loopback_hub import LoopbackHub


def rules(text: str) -> list[str]:
    return [finding["rule"] for finding in json.loads(text)["findings"]]


def test_a_clean_model_by_name_downloads_no_weights(hub: LoopbackHub, program: Program, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    write_sharded(folder)
    sha = hub.add_model("org/name", folder)
    done = program("check", "org/name", "-f", "json", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["revision"] == sha and report["findings"] == []
    assert not [request for request in hub.log if request.path.endswith(".safetensors") and request.status == 200]


def test_a_fault_in_a_shard_on_the_hub_is_a_finding(hub: LoopbackHub, program: Program, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    write_sharded(folder)
    second = folder / "model-00002-of-00002.safetensors"
    second.write_bytes(second.read_bytes()[:-3])
    hub.add_model("org/name", folder)
    done = program("check", "org/name", "--select", "SA4", "-f", "json", HF_ENDPOINT=hub.endpoint)
    (finding,) = json.loads(done.stdout)["findings"]
    assert done.returncode == 1 and (finding["rule"], finding["file"]) == ("SA402", second.name)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer_config.json"])  # in LFS, and in git itself
def test_a_flipped_byte_is_found_by_its_hash(file: str, hub: LoopbackHub, program: Program, tmp_path: Path) -> None:
    hub.add_model("org/name", write_clean(tmp_path / "model"))
    arguments = ("check", "org/name", "--verify-hashes", "-f", "json")
    clean = program(*arguments, HF_ENDPOINT=hub.endpoint)
    assert clean.returncode == 0 and "SA408" in json.loads(clean.stdout)["rules_run"], clean.stderr
    (damaged,) = [path for path in (tmp_path / "hf_home").rglob(file) if path.is_symlink()]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.resolve().write_bytes(damaged.read_bytes() + b" " if file.endswith(".json") else content)
    for offline in ({}, {"HF_HUB_OFFLINE": "1"}):
        done = program(*arguments, HF_ENDPOINT=hub.endpoint, **offline)
        assert done.returncode == 1 and rules(done.stdout) == ["SA408"], done.stderr
    assert program("check", "org/name", HF_ENDPOINT=hub.endpoint).returncode == 0  # no client notices by itself


def test_a_folder_has_no_hashes_to_compare_with(program: Program, tmp_path: Path) -> None:
    done = program("check", write_clean(tmp_path / "model"), "--verify-hashes")
    assert done.returncode == 4 and "the Hub has no hashes for model" in done.stderr


def test_numbers_of_a_hub_model_are_downloaded_to_be_looked_at(
    hub: LoopbackHub, program: Program, tmp_path: Path
) -> None:
    folder = write_clean(tmp_path / "model")
    name = "model.layers.0.mlp.up_proj.weight"
    set_tensors(lambda tensors: tensors[name].reshape(-1).__setitem__(5, float("nan")))(folder)
    hub.add_model("org/name", folder)
    done = program("check", "org/name", "--weights", "-f", "json", HF_ENDPOINT=hub.endpoint)
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["rule"] == "SA501" and "1 of 12,288 numbers are NaN, the first bad one at 5" in finding["message"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("org/none", "not found on the Hub"), ("org/name@none", "has no such revision"), ("./none", "no such folder")],
)
def test_what_cannot_be_reached_is_no_finding(hub: LoopbackHub, program: Program, name: str, says: str) -> None:
    hub.add_model("org/name", {"config.json": b"{}"})
    done = program("check", name, HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""


def test_a_subfolder_and_a_variant_are_checked(hub: LoopbackHub, program: Program) -> None:
    files = {
        "part/config.json": json.dumps(CONFIG).encode(),
        "part/model.fp16.safetensors": safetensors_bytes(clean_tensors()),
    }
    hub.add_model("org/name", files)
    arguments = ("check", "org/name", "--subfolder", "part", "-f", "json")
    assert rules(program(*arguments, "--variant", "fp16", HF_ENDPOINT=hub.endpoint).stdout) == ["SA605"]
    assert "SA705" in rules(program(*arguments, HF_ENDPOINT=hub.endpoint).stdout)
    at_root = json.loads(program("check", "org/name", "-f", "json", HF_ENDPOINT=hub.endpoint).stdout)
    assert "there is part/config.json, see --subfolder" in at_root["findings"][0]["message"]
