"""Reports for machines and people: golden files, schemas, and names that try to be markup.

`scripts/golden` writes the golden files anew; look at their difference before committing it.
"""

import io
import json
import os
import re
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import jsonschema
import junitparser
import numpy as np
import pytest
from rich.console import Console

import shape_audit
from shape_audit.checks import FORMATS, RULES, Format, Policy, formatted
from shape_audit.checks.formats.wording import judged_by
from shape_audit.checks.policy import Ignored
from shape_audit.records import CheckReport, Severity
from tests.checks.checkpoints import set_config, set_tensors, write_clean
from tests.conftest import MATERIALS

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = MATERIALS.parent / "reference" / "schemas" / "sarif-2.1.0.json"
UP = "model.layers.2.mlp.up_proj.weight"
NASTY = "::error::x\n%0A]]>&<b>|`\x1b[31m\u202e\ufffe"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    """One finding of every severity, and an accepted one."""
    folder = write_clean(tmp_path_factory.mktemp("formats") / "my-model")
    set_config(dtype="float16", num_attention_heads=4, num_key_value_heads=4)(folder)
    set_tensors(lambda tensors: tensors.pop(UP))(folder)
    (folder / "old.pt").write_bytes(b"\x80")
    policy = Policy(
        severity={"SA404": "off", "SA102": "note"}, ignore=(Ignored("SA701", "kept for the paper"),), source="team.toml"
    )
    return shape_audit.check(str(folder), policy=policy)


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    """Findings about a tensor and a file whose names try to be markup, commands and control characters."""
    folder = write_clean(tmp_path_factory.mktemp("formats") / "a model")
    name = f"model.layers.1.{NASTY}"
    set_tensors(lambda tensors: tensors.update({name: np.full((2, 2), np.nan, "<f4")}))(folder)
    (folder / "x\n::error::.pt").write_bytes(b"\x80")
    return shape_audit.check(str(folder), weights=True)


def as_text(report: CheckReport, form: Format) -> str:
    content = formatted(report, form, anchor="models/config.json")
    if isinstance(content, str):
        return content
    stream = io.StringIO()
    Console(file=stream, width=120, highlight=False).print(content)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


@pytest.mark.parametrize("form", FORMATS)
def test_the_report_is_the_golden_one(form: Format, report: CheckReport) -> None:
    path, found = GOLDEN / f"report.{form}", as_text(report, form)
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(found)
    assert found == path.read_text()


@pytest.mark.parametrize("form", FORMATS)
def test_every_report_names_its_settings_and_all_that_is_off_or_accepted(form: Format, report: CheckReport) -> None:
    text = as_text(report, form).replace("\\", "")
    for said in ("team.toml", "SA404", "SA102", "SA701", "kept for the paper"):
        assert said in text, (form, said)


@pytest.mark.parametrize("form", FORMATS)
def test_every_report_names_a_bound_that_was_not_judged(form: Format, tmp_path: Path) -> None:
    report = shape_audit.check(str(write_clean(tmp_path / "model")), policy=Policy(aofe_ratio=(0.5, 0.6)))
    text = " ".join(as_text(report, form).replace("\\", "").split())
    assert "--measure: needed to judge the policy's aofe-ratio" in text


@pytest.mark.parametrize("form", ["text", "markdown", "github"])
def test_rules_that_were_not_selected_are_not_listed_one_by_one(form: Format, tmp_path: Path) -> None:
    report = shape_audit.check(str(write_clean(tmp_path / "model")), select=("SA1",))
    (line,) = [line for line in as_text(report, form).replace("\\", "").splitlines() if "rules off" in line]
    assert line.endswith("rules off: all others (--select SA1)")


def test_every_severity_is_in_the_golden_report(report: CheckReport) -> None:
    assert {finding.severity for finding in report.findings} == set(get_args(Severity))
    assert [accepted.finding.rule for accepted in report.accepted] == ["SA701"]


def test_json_is_the_report_and_fits_its_schema(report: CheckReport) -> None:
    content = json.loads(as_text(report, "json"))
    assert CheckReport.model_validate(content) == report
    jsonschema.validate(content, CheckReport.model_json_schema())


@pytest.mark.parametrize("which", ["report", "nasty"])
def test_sarif_fits_the_published_schema(which: str, request: pytest.FixtureRequest) -> None:
    if not SCHEMA.is_file():
        pytest.skip("the published SARIF schema (../shared/reference/schemas) is not at hand")
    sarif = json.loads(as_text(request.getfixturevalue(which), "sarif"))
    jsonschema.validate(sarif, json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("which", ["report", "nasty"])
def test_sarif_has_what_code_scanning_needs(which: str, request: pytest.FixtureRequest) -> None:
    report: CheckReport = request.getfixturevalue(which)
    sarif = json.loads(as_text(report, "sarif"))
    (run,) = sarif["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == report.rules_run
    assert len(run["results"]) == len(report.findings) + len(report.accepted)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note") and result["message"]["text"]
        location = result["locations"][0]["physicalLocation"]
        assert location["artifactLocation"]["uri"] == "models/config.json" and location["region"]["startLine"] == 1
        assert re.fullmatch("[0-9a-f]{16}", result["partialFingerprints"]["shapeAuditFinding/v1"])
    suppressed = [result["ruleId"] for result in run["results"] if "suppressions" in result]
    assert suppressed == [accepted.finding.rule for accepted in report.accepted]


def test_junit_is_read_back_by_another_reader(report: CheckReport, nasty: CheckReport, tmp_path: Path) -> None:
    for one in (report, nasty):
        (tmp_path / "report.xml").write_text(as_text(one, "junit"))
        (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "report.xml"))
        assert suite.tests == len(one.rules_run)
        failing = {finding.rule for finding in one.failing}
        assert suite.failures == len(failing)
        assert {case.name.split()[0] for case in suite if case.result} == failing
        assert {case.classname for case in suite} <= {f"shape-audit.{rule.family}" for rule in RULES.values()}


def test_github_has_one_command_a_finding_and_no_other(report: CheckReport, nasty: CheckReport) -> None:
    for one in (report, nasty):
        lines = as_text(one, "github").splitlines()
        commands = [line for line in lines if re.match(r"::\w+", line)]
        assert len(commands) == len(one.findings) == len(lines) - 1 - len(judged_by(one))
        assert all(
            re.match(r"::(error|warning|notice) file=models/config\.json,line=1,title=SA\d", c) for c in commands
        )
        assert not any("\x1b" in line for line in lines)


def test_names_are_no_markup_in_markdown(nasty: CheckReport) -> None:
    table = [line for line in as_text(nasty, "markdown").splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(nasty.findings)
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in table)
    assert "<b>" not in as_text(nasty, "markdown").replace("\\<b\\>", "")


def test_no_format_lets_control_characters_through(nasty: CheckReport) -> None:
    assert {"SA302", "SA501", "SA701"} <= {finding.rule for finding in nasty.findings}
    for form in FORMATS:
        text = as_text(nasty, form)
        assert not [c for c in text if not c.isprintable() and c != "\n"], form
    ElementTree.fromstring(as_text(nasty, "junit"))
