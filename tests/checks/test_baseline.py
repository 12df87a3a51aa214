"""Baselines: today's findings pass, tomorrow's do not."""

from pathlib import Path

import pytest

import shape_audit
from shape_audit.checks import accepted_in_words, read_baseline, write_baseline
from tests.checks.checkpoints import set_config, set_tensors, write_clean


def test_only_new_findings_count(tmp_path: Path) -> None:
    folder, baseline = write_clean(tmp_path / "model"), tmp_path / "baseline.json"
    up = "model.layers.{}.mlp.up_proj.weight"
    set_tensors(lambda tensors: tensors.pop(up.format(1)))(folder)
    assert len(write_baseline(shape_audit.check(str(folder)), baseline)) == 1
    report = shape_audit.check(str(folder), baseline=baseline)
    assert report.findings == [] and report.accepted[0].reason == "in the baseline"
    set_tensors(lambda tensors: tensors.pop(up.format(2)))(folder)
    report = shape_audit.check(str(folder), baseline=baseline)
    assert [one.place for one in report.failing] == [up.format(2)]


def test_fingerprints_do_not_depend_on_numbers_or_other_findings(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(dtype="float16")(folder)
    (first,) = shape_audit.check(str(folder)).findings
    set_config(dtype="bfloat16", eos_token_id=999)(folder)
    later = {one.rule: one for one in shape_audit.check(str(folder)).findings}
    assert later["SA312"].message != first.message and later["SA312"].fingerprint == first.fingerprint
    assert later["SA602"].fingerprint != first.fingerprint


def test_a_baseline_keeps_what_it_accepted_before(tmp_path: Path) -> None:
    folder, baseline = write_clean(tmp_path / "model"), tmp_path / "baseline.json"
    set_config(dtype="float16")(folder)
    write_baseline(shape_audit.check(str(folder)), baseline)
    set_config(eos_token_id=999)(folder)
    both = write_baseline(shape_audit.check(str(folder), baseline=baseline), baseline)
    assert accepted_in_words(both) == "2 findings: 1 error (SA602), 1 warning (SA312)"
    set_config(eos_token_id=7)(folder)  # mended; or another model, or a rule that did not run: nobody can tell
    assert [one.rule for one in write_baseline(shape_audit.check(str(folder), baseline=baseline), baseline)] == [
        "SA312"
    ]
    assert {one.fingerprint for one in both} == {*read_baseline(baseline)}
    assert accepted_in_words(both[:1]).startswith("1 finding: 1 ") and accepted_in_words([]) == "0 findings"


def test_what_follows_from_an_accepted_finding_is_accepted_with_it(tmp_path: Path) -> None:
    folder, baseline = write_clean(tmp_path / "model"), tmp_path / "baseline.json"
    set_config(num_key_value_heads=3)(folder)
    report = shape_audit.check(str(folder))
    (found,) = report.failing
    assert found.rule == "SA304" and "(SA205 follows from this)" in found.message
    write_baseline(report, baseline)
    assert shape_audit.check(str(folder), baseline=baseline).findings == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2, "accepted": []}', '{"version": 1, "accepted": [{"fingerprint": "x"}]}']
)
def test_what_is_no_baseline_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(shape_audit.CorruptFileError, match=r"not a baseline|a baseline of version 2, not 1"):
        shape_audit.check(str(write_clean(tmp_path / "model")), baseline=tmp_path / "b.json")
