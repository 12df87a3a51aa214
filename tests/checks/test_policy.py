"""Policies: what they say, how they are refused, and what they change."""

from datetime import date, timedelta
from pathlib import Path

import pytest

import shape_audit
from shape_audit.checks import RULES, only_stricter, read_policy
from tests.checks.checkpoints import set_config, write_clean

FULL = """
interval = [0.01, 0.05]
[severity]
SA203 = "error"
SA206 = "off"
[bounds]
aofe-ratio = [0.5, 0.95]
feed-forward-ratio = [2, 4]
tensor-parallel = [2, 4]
shape-cost = 0.005
[[ignore]]
rule = "SA312"
place = "dt*"
reason = "released in two dtypes"
"""


def policy_file(folder: Path, text: str, name: str = "policy.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_all_of_a_policy_is_read(tmp_path: Path) -> None:
    policy = read_policy(policy_file(tmp_path, FULL), RULES)
    assert policy.interval is not None and (policy.interval.low, policy.interval.high) == (0.01, 0.05)
    assert policy.severity == {"SA203": "error", "SA206": "off"}
    assert policy.aofe_ratio == (0.5, 0.95) and policy.feed_forward_ratio == (2.0, 4.0)
    assert policy.tensor_parallel == (2, 4) and policy.shape_cost == 0.005
    (ignored,) = policy.ignore
    assert (ignored.rule, ignored.place, ignored.reason, ignored.expires) == (
        "SA312", "dt*", "released in two dtypes", None)  # fmt: skip


def test_a_pyproject_holds_a_policy_too(tmp_path: Path) -> None:
    text = "[tool.other]\nx = 1\n[tool.shape-audit.check.policy.severity]\nSA203 = 'note'\n"
    assert read_policy(policy_file(tmp_path, text, "pyproject.toml"), RULES).severity == {"SA203": "note"}
    assert read_policy(policy_file(tmp_path, "[project]\nname = 'x'\n", "pyproject.toml"), RULES).severity == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("interval = ", "not a TOML file"),
        ("intervall = [0, 1]", "unknown intervall; did you mean interval?"),
        ("[severity]\nSA999 = 'error'", "severity: unknown SA999; did you mean SA"),
        ("[severity]\nSA203 = 'bad'", "SA203 is 'bad', not error, warning, note or off"),
        ("severity = 1", "severity is not a table"),
        ("[bounds]\nshape-cost = 1.5", "shape-cost must be a fraction of the loss"),
        ("[bounds]\nshape-cost = 0.5", "at most 0.1 \\(0.005 for 0.5 %\\), not 0.5"),
        ("[bounds]\nshape-cost = '0.5 %'", "shape-cost must be a fraction of the loss"),
        ("[bounds]\naofe-ratio = [50, 95]", "aofe-ratio is between 0 and 1, not 50 to 95"),
        ("[bounds]\nshape-cost = true", "shape-cost must be a fraction of the loss"),
        ("interval = [1, 0.5]", "interval: 1 to 0.5 is no range"),
        ("interval = [true, 2]", "must be \\[lowest, highest\\]"),
        ("interval = [nan, 2]", "is no range"),
        ("[bounds]\naofe = [0, 1]", "bounds: unknown aofe; did you mean aofe-ratio?"),
        ("[bounds]\ntensor-parallel = [1]", "whole numbers from 2 to 4096"),
        ("ignore = 'SA101'", "ignore must be tables"),
        ("[[ignore]]\nrule = 'SA101'", "SA101 has no reason"),
        ("[[ignore]]\nreason = 'so'", "names no rule"),
        ("[[ignore]]\nrule = 'SA101'\nreason = ' '", "are texts"),
        ("[[ignore]]\nrule = 'SA101'\nreason = 'so'\nexpires = 'soon'", "which is no date"),
        ("[[ignore]]\nrule = 'SA1O1'\nreason = 'so'", "unknown SA1O1; did you mean SA"),
        ("[[ignore]]\nrule = 'SA101'\nreason = 'so'\nuntil = 2027-01-01", "ignore: unknown until"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(shape_audit.UsageError, match=says):
        read_policy(policy_file(tmp_path, text), RULES)


def test_a_report_says_what_its_bounds_were_taken_for(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    more = FULL.replace("[[ignore]]", "functional-share = 0.02\ncheap-blocks = 4\n[[ignore]]")
    policy = read_policy(policy_file(tmp_path, more), RULES)
    (said,) = shape_audit.check(str(folder), policy=policy).settings
    assert said == (
        f"policy {tmp_path / 'policy.toml'}: shape-cost at most 0.5 %, functional-share at least 2 %, cheap-blocks at "
        "most 4, aofe-ratio 0.5 to 0.95, feed-forward-ratio 2 to 4, tensor-parallel 2, 4"
    )


@pytest.mark.parametrize(("bound", "holds"), [(0.005, True), (0.01, True), (0.02, False)])
def test_a_bound_on_the_cost_in_a_file_that_was_found_holds_where_it_is_stricter(
    bound: float, holds: bool, tmp_path: Path
) -> None:
    """Without one, more than 1 % is a note: a larger bound would take this note away."""
    policy, left = only_stricter({"bounds": {"shape-cost": bound}}, tmp_path / "pyproject.toml", RULES)
    assert policy.shape_cost == (bound if holds else None)
    assert left == ([] if holds else ["policy.bounds.shape-cost"])


def test_an_ignored_finding_is_accepted_until_it_expires(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(dtype="float16")(folder)
    entry = "[[ignore]]\nrule = 'SA312'\nreason = 'as agreed'\n"
    for expires, accepted in ((None, True), (date.today(), True), (date.today() - timedelta(1), False)):
        text = entry + (f"expires = {expires}\n" if expires else "")
        policy = read_policy(policy_file(tmp_path, text), RULES)
        report = shape_audit.check(str(folder), policy=policy)
        assert [one.reason for one in report.accepted] == (["as agreed"] if accepted else [])
        assert [one.rule for one in report.findings] == ([] if accepted else ["SA312"])
    elsewhere = read_policy(policy_file(tmp_path, entry + "file = 'other.json'\n"), RULES)
    assert shape_audit.check(str(folder), policy=elsewhere).accepted == []


def test_severities_and_bounds_of_the_policy_decide(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(dtype="float16")(folder)
    strict = read_policy(policy_file(tmp_path, "[severity]\nSA312 = 'error'\n"), RULES)
    assert [one.rule for one in shape_audit.check(str(folder), policy=strict).failing] == ["SA312"]
    off = read_policy(policy_file(tmp_path, "[severity]\nSA312 = 'off'\n"), RULES)
    report = shape_audit.check(str(folder), policy=off)
    assert report.findings == [] and "SA312" not in report.rules_run
    narrow = read_policy(
        policy_file(tmp_path, "[bounds]\nfeed-forward-ratio = [3.5, 4]\ntensor-parallel = [3]\n"), RULES
    )
    found = {one.rule: one.message for one in shape_audit.check(str(folder), policy=narrow).findings}
    assert found["SA104"] == "the feed-forward ratio is 3, outside the policy's 3.5 to 4"
    assert found["SA206"] == "num_attention_heads = 8 does not split into 3 equal parts"


def test_a_policy_may_name_an_interval_file(tmp_path: Path) -> None:
    (tmp_path / "interval.json").write_text(shape_audit.derive_interval().model_dump_json())
    policy = read_policy(policy_file(tmp_path, "interval = 'interval.json'"), RULES)
    assert policy.interval is not None and policy.interval.high == pytest.approx(0.0645, abs=1e-3)
