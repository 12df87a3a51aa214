"""What a report says of a model's depth, its width and its token vectors."""

from pathlib import Path

import pytest

import shape_audit
from shape_audit.auditing import write_use_figure
from shape_audit.records import AuditRecord, record_file_name
from shape_audit.reports import audit_markdown, audit_text, comparison_markdown, comparison_text
from tests.reports.test_reports import words
from tests.tiny_models import save_tiny


@pytest.fixture(scope="module")
def skipped(tmp_path_factory: pytest.TempPathFactory) -> AuditRecord:
    folder: Path = save_tiny(tmp_path_factory.mktemp("models") / "tiny", "llama")
    return shape_audit.audit(str(folder), windows=7, seq_len=16, use=True, skip=True, skip_windows=6, skip_spans=2)


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


def test_the_width_in_a_sentence_and_a_table(skipped: AuditRecord) -> None:
    assert skipped.use is not None and skipped.use.sites is not None and skipped.use.functional_share is not None
    shares = [(site.functional_rank or 0) / site.width for site in skipped.use.sites]
    assert skipped.use.functional_share == sorted(shares)[len(shares) // 2]
    for text in (words(audit_text(skipped)), audit_markdown(skipped)):
        assert "are both active and matter to the loss" in text and "Width: directions of 24" in text
        assert f"{100 * skipped.use.functional_share:.2g} % at the median site" in text
    one = skipped.use.model_copy(update={"sites": skipped.use.sites[:1]})
    assert "to the loss at embedding: " in words(audit_text(skipped.model_copy(update={"use": one})))
    without = skipped.model_copy(update={"use": skipped.use.model_copy(update={"sites": None})})
    assert "active and matter" not in audit_markdown(without) and "Width: directions" not in words(audit_text(without))


def test_models_side_by_side_at_equal_relative_depth(skipped: AuditRecord) -> None:
    assert skipped.use is not None and skipped.use.sites is not None
    for text in (words(comparison_text([skipped, skipped])), comparison_markdown([skipped, skipped])):
        assert "equal relative depth" in text
        for block in skipped.use.blocks:  # two of them: at 10 and 30 %, and from 50 % on
            assert text.count(f"{block.block_influence:.3f}") >= 4
    assert "equal relative depth" not in comparison_markdown([skipped, skipped.model_copy(update={"use": None})])


def test_the_figure_shows_what_was_measured(skipped: AuditRecord, tmp_path: Path) -> None:
    png, svg = write_use_figure(skipped, tmp_path / "figures")
    assert png.read_bytes().startswith(b"\x89PNG") and png.name == f"{Path(record_file_name(skipped)).stem}__use.png"
    other = skipped.model_copy(update={"model": skipped.model.model_copy(update={"revision": "0" * 40})})
    assert write_use_figure(other, tmp_path / "figures")[0] != png and png.exists()
    drawn = svg.read_text()
    for label in ("gradient influence", "rise of the loss without the block", "functional rank", "2 layers on 24"):
        assert label in drawn
    again = write_use_figure(skipped, tmp_path / "again")[1]
    assert again.read_text() == drawn
    assert skipped.use is not None
    plain = skipped.model_copy(update={"use": skipped.use.model_copy(update={"sites": None, "summary": None})})
    only_gradients = write_use_figure(plain, tmp_path / "plain")[1].read_text()
    assert "gradients: effective rank" in only_gradients and "functional rank" not in only_gradients
