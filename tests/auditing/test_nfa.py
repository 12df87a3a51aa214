"""`--nfa` in a whole audit: what it adds to a record and a report, and what it leaves alone."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PhimoeConfig

import shape_audit
from shape_audit.errors import UsageError
from shape_audit.interaction.ansatz import reading_matrices, seen_matrices
from shape_audit.records import AuditRecord, read_record, record_file_name
from shape_audit.reports import audit_markdown
from shape_audit.shipped import facts
from tests.findings import findings
from tests.tiny_models import LLAMA_LIKE, save_tiny

FEW = {"windows": 4, "seq_len": 16}


@pytest.fixture(scope="module")
def with_weights(tiny_llama: Path) -> AuditRecord:
    return shape_audit.audit(str(tiny_llama), nfa=True, **FEW)


def test_it_adds_weights_and_changes_nothing_else(with_weights: AuditRecord, tiny_llama: Path) -> None:
    plain = shape_audit.audit(str(tiny_llama), **FEW)
    assert plain.weights is None and with_weights.weights is not None
    assert with_weights.interaction == plain.interaction and with_weights.loss == plain.loss
    assert record_file_name(with_weights) == record_file_name(plain).replace(".json", "-nfa.json")
    names = [weight.name for weight in with_weights.weights]
    blocks = [f"block.{block}.{role}" for block in (0, 1) for role in ("q", "k", "v", "gate", "up")]
    assert names == ["embedding", *blocks, "unembedding"]
    value = with_weights.weights[3]
    assert (value.role, value.tensor) == ("v", "model.layers.0.self_attn.v_proj.weight") and value.shape == (12, 24)


def test_the_record_reads_back_and_fits_its_schema(tiny_llama: Path, tmp_path: Path) -> None:
    record = shape_audit.audit(str(tiny_llama), nfa=True, records=tmp_path, **FEW)
    path = tmp_path / record_file_name(record)
    assert read_record(path) == record
    jsonschema.validate(json.loads(path.read_text()), AuditRecord.model_json_schema(by_alias=True))


def test_two_runs_are_equal(with_weights: AuditRecord, tiny_llama: Path) -> None:
    assert findings(shape_audit.audit(str(tiny_llama), nfa=True, **FEW)) == findings(with_weights)


@pytest.mark.parametrize("protocol", ["output-gradient", "projected-output"])
def test_it_uses_loss_gradients_whatever_the_protocol(
    protocol: str, with_weights: AuditRecord, tiny_llama: Path
) -> None:
    other = shape_audit.audit(str(tiny_llama), nfa=True, protocol=protocol, **FEW)
    assert other.weights is not None and with_weights.weights is not None
    for a, b in zip(other.weights, with_weights.weights, strict=True):
        assert a.nfa_correlation == pytest.approx(b.nfa_correlation, rel=1e-3)  # eager attention rounds otherwise


@pytest.mark.parametrize("stored", ["output", "both", "another"])
def test_a_tied_matrix_is_one_under_whatever_names_it_is_stored(stored: str, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny", "llama-tied")
    plain = shape_audit.audit(str(folder), nfa=True, **FEW)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] * (1 if stored != "another" else torch.arange(24))
    if stored == "output":
        del tensors["model.embed_tokens.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    found = shape_audit.audit(str(folder), nfa=True, **FEW)
    assert plain.weights is not None and found.weights is not None
    assert plain.superposition is not None and found.superposition is not None
    if stored == "another":  # than config.json says: it is loaded, and its numbers are its own
        assert found.superposition.unembedding is not None and found.weights[-1].tensor == "lm_head.weight"
        assert found.weights[-1].aofe_ratio == pytest.approx(found.superposition.unembedding.wtw_aofe_ratio)
        return
    assert [one.aofe_ratio for one in found.weights] == [one.aofe_ratio for one in plain.weights]
    assert found.superposition.unembedding is None
    assert found.superposition.embedding is not None and plain.superposition.embedding is not None
    assert found.superposition.embedding.mean_cosine == plain.superposition.embedding.mean_cosine


def test_matrices_that_are_stored_under_other_names_than_the_model_has_are_its_own(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny", "llama")
    experts = {"num_local_experts": 4, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    AutoModelForCausalLM.from_config(PhimoeConfig(**LLAMA_LIKE | experts)).save_pretrained(folder)
    record = shape_audit.audit(str(folder), nfa=True, **FEW)
    assert record.weights is not None
    assert "model.layers.0.mlp.router.weight" in {one.tensor for one in record.weights}
    assert all(one.nfa_correlation_random is not None for one in record.weights)


def test_shape_only_is_refused() -> None:
    with pytest.raises(UsageError, match="--nfa"):
        shape_audit.audit("builtin:bytes-1m", shape_only=True, nfa=True)


def test_an_architecture_that_no_table_knows_is_seen_in_the_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny(tmp_path, "smollm3")
    by_table = shape_audit.audit(str(folder), nfa=True, **FEW)
    plain = facts(reading_matrices.FACTS)
    layouts = [layout for layout in plain["layouts"] if "smollm3" not in layout["model_types"]]
    monkeypatch.setattr(reading_matrices, "facts", lambda name: plain | {"layouts": layouts})
    record = shape_audit.audit(str(folder), nfa=True, **FEW)
    assert record.weights is not None and record.weights == by_table.weights
    assert not any(note.startswith("--nfa: which") for note in record.notes)


def test_a_block_without_linear_layers_on_the_stream_has_a_note_and_no_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny(tmp_path, "smollm3")
    plain = facts(reading_matrices.FACTS)
    monkeypatch.setattr(reading_matrices, "facts", lambda name: plain | {"layouts": []})
    monkeypatch.setattr(seen_matrices._Block, "_linear", lambda self, module, args: None)
    record = shape_audit.audit(str(folder), nfa=True, **FEW)
    assert record.weights is None and record.interaction is not None
    assert "--nfa: SmolLM3ForCausalLM: no linear layer of block 0 reads the stream" in record.notes


def test_one_window_has_energies_and_a_note(tiny_llama: Path) -> None:
    record = shape_audit.audit(str(tiny_llama), nfa=True, windows=1, seq_len=16)
    assert record.weights is not None and all(weight.aofe_ratio for weight in record.weights)
    assert {weight.nfa_correlation for weight in record.weights} == {None}
    assert any(note.startswith("--nfa: no correlation at embedding, block.0.q") for note in record.notes)


def test_the_report_has_a_row_a_role(with_weights: AuditRecord) -> None:
    markdown = audit_markdown(with_weights)
    assert "## Weights (Neural Feature Ansatz, loss gradients)" in markdown and "is not at zero either" in markdown
    table = markdown.partition("## Weights")[2].partition("## ")[0]
    roles = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]
    assert roles == ["weights", "---", "q", "k", "v", "gate", "up", "embedding", "unembedding"]
    assert with_weights.weights is not None
    values = [weight.aofe_ratio or 0.0 for weight in with_weights.weights if weight.role == "v"]
    row = next(line for line in table.splitlines() if line.startswith("| v |"))
    assert row.split(" | ")[1].startswith(f"{sum(values) / 2:.3f} {min(values):.2f}")
