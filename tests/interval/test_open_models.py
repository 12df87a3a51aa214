"""Interaction and loss over a folder of real records, through the command: built-in models on one text."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from shape_audit.cli import main
from shape_audit.interval.random_basis import records_against_random_basis
from shape_audit.records import AuditRecord, read_record_folder

MODELS = [f"builtin:{name}" for name in ("bytes-1m", "books-300k", "zoo-300k-1x144", "zoo-300k-4x80", "zoo-300k-16x40")]
TINY = ("--windows", "8", "--seq-len", "48", "--sites", "embedding")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records")
    assert main(["audit", *MODELS, *TINY, "--records", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def records(folder: Path) -> list[AuditRecord]:
    found = read_record_folder(folder)
    assert len(found) == len(MODELS)
    return found


def columns(records: list[AuditRecord]) -> tuple[list[float], list[float], list[float]]:
    ratios, bases, losses = [], [], []
    for record in records:
        assert record.interaction is not None and record.loss is not None
        site = record.interaction.sites[0]
        assert site.aofe_ratio is not None and site.aofe_ratio_random_basis is not None
        ratios.append(site.aofe_ratio)
        bases.append(site.aofe_ratio_random_basis)
        assert record.loss.bits_per_byte is not None
        losses.append(record.loss.bits_per_byte)
    return ratios, bases, losses


def test_the_law_is_that_of_scipy(folder: Path, records: list[AuditRecord], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["interval", "--records", str(folder), "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["interaction"]
    one = next(one for one in shown["open_models"] if one["quantity"] == "aofe_ratio")
    ratios, bases, losses = columns(records)
    assert one["loss"] == "bits_per_byte", "their tokenizers are not one file"
    assert one["correlation"]["n"] == len(records)
    assert one["correlation"]["pearson"] == pytest.approx(stats.pearsonr(ratios, losses).statistic)
    assert one["correlation"]["spearman"] == pytest.approx(stats.spearmanr(ratios, losses).statistic)
    line = stats.linregress(np.log(ratios), np.log(losses))
    assert one["fit"]["exponent"] == pytest.approx(line.slope)
    assert one["fit"]["coefficient"] == pytest.approx(np.exp(line.intercept))
    papers, ours = shown["against_random_basis"]
    assert papers["n"] == 15 and ours["n"] == len(records)
    assert ours["pearson"] == pytest.approx(stats.pearsonr(ratios, bases).statistic)


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_both_reports_show_it(form: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["interval", "--records", str(folder), "-f", form]) == 0
    shown = " ".join(capsys.readouterr().out.replace("\\", "").split())
    assert "Open models: correlation with bits per byte" in shown
    assert "open models: bits per byte = " in shown and "× (AOFE-ratio)^" in shown
    assert "that they go together is no effect of the one on the other" in shown


def test_few_records_and_equal_ones_say_nothing_of_the_random_basis(records: list[AuditRecord]) -> None:
    assert records_against_random_basis(records[:3]) is None
    assert records_against_random_basis([records[0]] * 4) is None
