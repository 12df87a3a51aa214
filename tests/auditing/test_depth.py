"""What an audit says of a model's depth and width: by every way in, the same."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma4TextConfig

import shape_audit
from shape_audit.errors import UsageError
from shape_audit.records import AuditRecord, read_record, write_record
from shape_audit.reports import audit_markdown
from tests.tiny_models import LLAMA_LIKE, save_tiny

FEW = {"windows": 8, "seq_len": 16, "micro_batch": 3}
SKIP = {"use": True, "spectrum": 3, "skip": True, "skip_windows": 7, "skip_spans": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", "llama-tied")


@pytest.fixture(scope="module")
def plain(folder: Path) -> AuditRecord:
    return shape_audit.audit(str(folder), **FEW, **SKIP)


def assert_same(record: AuditRecord, other: AuditRecord) -> None:
    assert record.use is not None and other.use is not None
    assert record.superposition == other.superposition or record.model.source == "memory"
    for one, two in zip(record.use.blocks, other.use.blocks, strict=True):
        numbers, others = (block.model_dump(exclude={"name", "with_first_position"}) for block in (one, two))
        for name, value in numbers.items():
            assert value == pytest.approx(others[name], rel=1e-4, abs=1e-6), name
    assert record.use.sites is not None and other.use.sites is not None
    for site, same in zip(record.use.sites, other.use.sites, strict=True):
        of_width, others = (each.model_dump(exclude={"name", "rank_staircase"}) for each in (site, same))
        assert of_width["functional_rank"] is not None
        for name, value in of_width.items():
            assert value == pytest.approx(others[name], rel=1e-4, abs=1e-6), name
        assert [step.directions for step in site.rank_staircase] == [step.directions for step in same.rank_staircase]


def test_streamed_from_the_disk(folder: Path, plain: AuditRecord) -> None:
    assert_same(shape_audit.audit(str(folder), device_map="disk", **FEW, **SKIP), plain)


def test_blocks_without_an_answer_are_named(tmp_path: Path) -> None:
    """A model of untied weights on the disk, whose last block reads the keys of the first but one."""
    folder = save_tiny(tmp_path / "tiny", "llama")
    small = {"head_dim": 8, "global_head_dim": 8, "vocab_size_per_layer_input": 256, "hidden_size_per_layer_input": 4}
    of_blocks = {
        "num_hidden_layers": 4,
        "layer_types": ["full_attention"] * 4,
        "num_kv_shared_layers": 2,
        "tie_word_embeddings": False,
    }
    AutoModelForCausalLM.from_config(Gemma4TextConfig(**LLAMA_LIKE | small | of_blocks)).save_pretrained(folder)
    record = shape_audit.audit(str(folder), device_map="disk", **FEW, **SKIP)
    assert record.use is not None and record.use.summary is not None and record.use.summary.spans
    assert [block.name for block in record.use.blocks if block.skip_loss is None] == ["block.1"]
    assert "block.1" not in record.use.summary.cheap_blocks and "Of 3 blocks" in audit_markdown(record)
    assert record.notes[-1].startswith("--skip: no answer for block.1: ")


def test_of_a_model_in_memory(folder: Path, plain: AuditRecord) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    live = shape_audit.audit(model, tokenizer=tokenizer, **FEW, **SKIP)
    assert_same(live, plain)
    assert live.superposition is not None and plain.superposition is not None
    assert live.superposition.embedding is not None and plain.superposition.embedding is not None
    of_file = plain.superposition.embedding.mean_cosine
    assert live.superposition.embedding.mean_cosine == pytest.approx(of_file, rel=1e-6)
    assert live.superposition.unembedding is None
    assert all("forward" not in vars(block) for block in model.model.layers)


def test_the_micro_batch_changes_nothing(folder: Path, plain: AuditRecord) -> None:
    assert_same(shape_audit.audit(str(folder), **{**FEW, "micro_batch": 8}, **SKIP), plain)


def test_windows_of_one_token_tell_of_the_first_position_alone(folder: Path) -> None:
    record = shape_audit.audit(str(folder), windows=8, seq_len=1, **SKIP)
    assert record.use is not None and read_record(write_record(record, folder.parent)) == record
    block = record.use.blocks[0]
    assert block.block_influence is None and block.with_first_position.block_influence is not None
    assert block.skip_loss is not None and "block.0" in audit_markdown(record)


def test_without_a_backward_pass_there_is_nothing_to_say(folder: Path) -> None:
    record = shape_audit.audit(str(folder), protocol="projected-output", **FEW)
    assert record.use is None and record.superposition is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"skip_spans": 2}, "--skip-spans goes with --skip"),
        ({"skip": True, "skip_spans": 3}, "--skip-spans 3: the model has 2 blocks"),
        ({"skip": True, "protocol": "projected-output"}, "a protocol that reads the residual stream"),
        ({"skip": True, "shape_only": True}, "--shape-only measures nothing"),
        ({"skip": True, "skip_windows": 5}, "--skip-windows must be at least 6"),
    ],
)
def test_what_cannot_be_left_out(folder: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        shape_audit.audit(str(folder), **(FEW if "shape_only" not in options else {}), **options)


def test_bfloat16_differences_are_taken_in_float32(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny", "llama")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    half, exact = (shape_audit.audit(str(folder), dtype=dtype, **FEW) for dtype in ("bfloat16", "float64"))
    assert half.use is not None and exact.use is not None
    for one, two in zip(half.use.blocks, exact.use.blocks, strict=True):
        assert one.block_influence == pytest.approx(two.block_influence, rel=0.05)
        assert one.update_size == pytest.approx(two.update_size, rel=0.02)
