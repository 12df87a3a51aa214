"""Checkpoints in folders: sharded and single, refused where there is nothing to audit, and their revisions."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from shape_audit.errors import CorruptFileError, IncompleteError, NotAuditableError
from shape_audit.hub import read_checkpoint, tokenizer_sha256
from tests.tiny_models import save_tiny


@pytest.fixture
def folder(tiny_llama: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def test_single_and_sharded_files_tell_the_same(tiny_llama: Path, tmp_path: Path) -> None:
    sharded = save_tiny(tmp_path / "sharded", "llama", max_shard_size="20KB")
    one, many = read_checkpoint(str(tiny_llama)), read_checkpoint(str(sharded))
    assert len(many.weight_files) > 2 and one.weight_files == ("model.safetensors",)
    assert dict(one.tensors) == dict(many.tensors)
    assert one.source == "folder" and one.repo_id == "tiny-llama"


def test_refusals(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.rename(folder / "model.gguf")
    with pytest.raises(NotAuditableError, match="GGUF"):
        read_checkpoint(str(folder))
    (folder / "model.gguf").rename(folder / "pytorch_model.bin")
    with pytest.raises(NotAuditableError, match="pickled weights only"):
        read_checkpoint(str(folder))
    (folder / "pytorch_model.bin").rename(folder / "openvino_model.bin")
    with pytest.raises(NotAuditableError, match="OpenVINO weights only; audit the repository"):
        read_checkpoint(str(folder))
    (folder / "openvino_model.bin").unlink()
    with pytest.raises(IncompleteError, match=r"no model\.safetensors"):
        read_checkpoint(str(folder))
    adapter, config = folder / "adapter_config.json", folder / "config.json"
    adapter.write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    for _ in ("beside the base model's config", "alone"):
        with pytest.raises(NotAuditableError, match="adapter, not a model; audit its base model org/base"):
            read_checkpoint(str(folder))
        config.unlink(missing_ok=True)
    adapter.unlink()
    with pytest.raises(IncompleteError, match=r"no config\.json"):
        read_checkpoint(str(folder))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"\0" * 100])
def test_a_damaged_config(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"config\.json: not"):
        read_checkpoint(str(folder))


def test_a_damaged_index(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "gone.safetensors"}}))
    with pytest.raises(IncompleteError, match=r"lists 2 files, of which gone\.safetensors is absent"):
        read_checkpoint(str(folder))
    index.write_text(json.dumps({"weight_map": []}))
    with pytest.raises(CorruptFileError, match="has no weight_map"):
        read_checkpoint(str(folder))


def test_a_tensor_in_two_shards(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "a.safetensors")
    (folder / "model.safetensors").rename(folder / "b.safetensors")
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(IncompleteError, match="stands in another shard too"):
        read_checkpoint(str(folder))


def test_a_revision_changes_with_weights_config_and_tokenizer_and_not_with_a_copy(folder: Path, tmp_path: Path) -> None:
    def revision(of: Path) -> str:
        return read_checkpoint(str(of)).revision

    first = revision(folder)
    assert revision(Path(shutil.copytree(folder, tmp_path / "copy"))) == first
    (folder / "README.md").write_text("not part of the model")
    assert revision(folder) == first

    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"] + 1e-3
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    retrained = revision(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rope_theta": 5e5}))
    reconfigured = revision(folder)
    (folder / "tokenizer_config.json").write_text("{}")
    assert len({first, retrained, reconfigured, revision(folder)}) == 4


def test_a_large_file_is_sampled_evenly(tmp_path: Path, tiny_llama: Path) -> None:
    """Of a file far larger than the pieces read, a change in the middle or at the end is seen."""
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "large"))
    revisions = []
    for changed in (None, 1_500_000, -1):
        extra = torch.zeros(3_000_000)
        if changed is not None:
            extra[changed if changed < 0 else slice(changed, changed + 60_000)] = 1  # longer than a gap of 12 MB / 63
        tensors = {**load_file(tiny_llama / "model.safetensors"), "zzz": extra}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        revisions.append(read_checkpoint(str(folder)).revision)
    assert len(set(revisions)) == 3


def test_the_tokenizers_hash_is_of_its_files_alone(folder: Path) -> None:
    first = tokenizer_sha256(folder)
    (folder / "config.json").write_text("{}")
    assert tokenizer_sha256(folder) == first
    (folder / "vocab.txt").write_text("more")
    assert tokenizer_sha256(folder) != first
