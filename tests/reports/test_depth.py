"""What a report says of a model's depth and of its token vectors."""

from pathlib import Path

import pytest

import shape_audit
from shape_audit.records import AuditRecord
from shape_audit.reports import audit_markdown, audit_text
from tests.reports.test_reports import words
from tests.tiny_models import save_tiny


@pytest.fixture(scope="module")
def skipped(tmp_path_factory: pytest.TempPathFactory) -> AuditRecord:
    folder: Path = save_tiny(tmp_path_factory.mktemp("models") / "tiny", "llama")
    return shape_audit.audit(str(folder), windows=7, seq_len=16, skip=True, skip_windows=6, skip_spans=2)


def with_cheap(record: AuditRecord, *names: str) -> AuditRecord:
    assert record.use is not None and record.use.summary is not None
    blocks = [record.use.blocks[0].model_copy(update={"name": f"block.{i}"}) for i in range(9)]
    summary = record.use.summary.model_copy(update={"cheap_blocks": list(names)})
    return record.model_copy(update={"use": record.use.model_copy(update={"blocks": blocks, "summary": summary})})


def test_leaving_out_is_said_in_a_sentence_and_in_a_column(skipped: AuditRecord) -> None:
    for text in (words(audit_text(skipped)), audit_markdown(skipped)):
        assert "when left out alone" in text and "over 6 windows. block.0 to block.1 together cost" in text
        assert "no proof that it is a waste" in text and "left out" in text
    of_nine = words(audit_text(with_cheap(skipped, "block.1", "block.4", "block.5", "block.6")))
    assert "Of 9 blocks 4 raise the loss by less than 1 % when left out alone (block 1, blocks 4-6)" in of_nine
    assert "Of 9 blocks one raises the loss" in words(audit_text(with_cheap(skipped, "block.8")))
    assert "Of 9 blocks none raises the loss" in words(audit_text(with_cheap(skipped)))


def test_tables_of_depth_and_token_vectors(skipped: AuditRecord) -> None:
    text = audit_markdown(skipped)
    assert skipped.use is not None and skipped.superposition is not None and skipped.superposition.embedding is not None
    assert f"{skipped.use.blocks[1].block_influence:.3f}" in text
    assert f"{skipped.superposition.embedding.mean_cosine:.3f}" in text and "indeterminate" in text
    nothing = skipped.model_copy(update={"use": None, "superposition": None})
    assert "Token vectors" not in audit_markdown(nothing) and "left out" not in words(audit_text(nothing))
