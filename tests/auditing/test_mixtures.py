"""Mixtures and hybrids: measured in every way that dense models are, and never given a verdict."""

from pathlib import Path

import pytest
from rich.console import Console

import shape_audit
from benchmarks.checkpoints import save_with_tokenizer
from benchmarks.tiny_configs import tiny_config
from benchmarks.tiny_measurement import tiny_model
from shape_audit.interval import shipped_interval
from shape_audit.leaderboard.build.rows import row_of_record
from shape_audit.linking.points import facts_of_records
from shape_audit.records import AuditRecord
from shape_audit.reports import audit_markdown, audit_text, comparison_markdown

FEW = {"windows": 6, "seq_len": 16, "device": "cpu"}


@pytest.fixture(scope="module", params=["qwen3_moe", "falcon_h1"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixtures") / request.param
    folder.mkdir()
    save_with_tokenizer(tiny_model(tiny_config(request.param)), folder)
    return folder


@pytest.fixture(scope="module")
def record(folder: Path) -> AuditRecord:
    return shape_audit.audit(str(folder), **FEW)  # type: ignore[arg-type]


def test_there_is_no_verdict_anywhere(record: AuditRecord, folder: Path) -> None:
    shape_only = shape_audit.audit(str(folder), shape_only=True)
    for each in (record, shape_only):
        assert not each.shape.is_dense
        assert (each.placement.side, each.placement.log_distance) == (None, None)
        assert any("outside the paper's claim" in note for note in each.notes)
        assert any("piecewise" in note for note in each.notes) == (folder.name == "qwen3_moe")
        console = Console(width=500)
        with console.capture() as capture:
            console.print(audit_text(each))
        for report in (capture.get(), audit_markdown(each), comparison_markdown([each, each])):
            assert "not a dense model" in report or "not dense" in report
            assert "shallow" not in report and "deep for" not in report and "| inside" not in report
    assert row_of_record(record, "g", shipped_interval()).side is None
    assert facts_of_records([record])[record.model.repo_id].unfit == "models that are not dense"


@pytest.mark.parametrize(
    "how", [{"device_map": "disk"}, {"micro_batch": 1}, {"micro_batch": 5}, {"dtype": "float64"}, {"dtype": "bfloat16"}]
)
def test_every_way_gives_the_same_numbers(record: AuditRecord, folder: Path, how: dict) -> None:
    other = shape_audit.audit(str(folder), **(FEW | how))
    assert record.interaction is not None and other.interaction is not None
    tolerance = 0.2 if how.get("dtype") == "bfloat16" else 1e-4  # a router may choose otherwise after coarse rounding
    for one, two in zip(record.interaction.sites, other.interaction.sites, strict=True):
        assert two.trace == pytest.approx(one.trace, rel=tolerance)
        assert two.aofe_ratio_plugin == pytest.approx(one.aofe_ratio_plugin, rel=tolerance)


@pytest.mark.parametrize("protocol", ["output-gradient", "projected-output"])
def test_other_protocols_measure_it_too(folder: Path, protocol: str) -> None:
    record = shape_audit.audit(str(folder), protocol=protocol, **FEW)  # type: ignore[arg-type]
    assert record.interaction is not None and all(site.trace > 0 for site in record.interaction.sites)
