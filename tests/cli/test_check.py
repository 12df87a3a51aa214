"""`shape-audit check` as a process: exit codes, settings, files; and what CI systems run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shape_audit.checks import RULES
from tests.checks.checkpoints import set_config, set_tensors, write_clean
from tests.conftest import Program

ROOT = Path(__file__).resolve().parents[2]
UP = "model.layers.2.mlp.up_proj.weight"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_clean(tmp_path / "model")


def test_exit_codes_follow_fail_on(program: Program, model: Path) -> None:
    assert program("check", model).returncode == 0
    set_config(dtype="float16")(model)
    for level, code in (("error", 0), ("warning", 1), ("note", 1)):
        done = program("check", model, "--fail-on", level)
        assert done.returncode == code and "SA312" in done.stdout
    set_tensors(lambda tensors: tensors.pop(UP))(model)
    done = program("check", model)
    assert done.returncode == 1 and "block 2 lacks mlp.up_proj.weight" in done.stdout and done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--select", "SA9"), "no rule is called SA9"),
        (("--measure", "--record", "r.json"), "choose one"),
        (("--policy", "none.toml"), "none.toml: No such file"),
        (("--baseline", "none.json"), "none.json: No such file"),
        (("--also", "pdf=x"), "--also pdf=x: it must be FORMAT=FILE"),
        (("--format", "pdf"), "Invalid value for '--format' / '-f': 'pdf' is not one of 'text', 'json', "),
        (("-o", "no/folder/report"), "no such folder"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(
    program: Program, model: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = program("check", model, *arguments)
    assert done.returncode in (2, 4) and says in done.stderr and done.stderr.count("\n") == 1


def test_a_baseline_is_written_and_kept_to(program: Program, model: Path, tmp_path: Path) -> None:
    set_tensors(lambda tensors: tensors.pop(UP))(model)
    written = program("check", model, "--write-baseline")
    assert written.returncode == 0
    assert written.stderr == "shape-audit-baseline.json accepts 1 finding: 1 error (SA301)\n"
    assert program("check", model).returncode == 1
    assert program("check", model, "--baseline", "shape-audit-baseline.json").returncode == 0
    again = program("check", model, "--baseline", "other.json", "--write-baseline")
    assert again.returncode == 0 and (tmp_path / "other.json").exists()
    less = program("check", model, "--write-baseline", "--select", "SA1").stderr
    assert less.endswith("accepts 0 findings; 1 more that it had stay (delete it first to begin anew)\n")
    assert program("check", model, "--baseline", "shape-audit-baseline.json").returncode == 0


def test_policy_and_options_of_a_named_file_hold(program: Program, model: Path, tmp_path: Path) -> None:
    set_config(dtype="float16")(model)
    options, severity = 'fail-on = "warning"\n', '.severity]\nSA312 = "note"\n'
    for file, table in (("pyproject.toml", "tool.shape-audit.check"), ("team.toml", "check")):
        (tmp_path / file).write_text(f"[{table}]\n{options}[{table}.policy{severity}")
        for named in (program("--config", file, "check", model), program("check", model, SHAPE_AUDIT_CONFIG=file)):
            assert named.returncode == 0 and "note    SA312" in named.stdout and named.stderr == ""
            assert f"settings: --config {file}; policy {file}" in named.stdout
    missing = program("--config", "none.toml", "check", model)
    assert missing.returncode == 2 and "none.toml: No such file" in missing.stderr
    (tmp_path / "pyproject.toml").write_text("[tool.shape-audit.check.policy]\nseverities = 1\n")
    done = program("check", model)
    assert done.returncode == 4 and "unknown severities; did you mean severity?" in done.stderr


def test_several_in_a_settings_file_are_a_list_and_one_may_be_a_text(
    program: Program, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "s.toml").write_text('[check]\nselect = ["SA1", "SA3"]\nalso = "json=r.json"\n')
    assert program("--config", "s.toml", "check", model).returncode == 0
    rules = json.loads((tmp_path / "r.json").read_text())["rules_run"]
    assert {rule[:3] for rule in rules} == {"SA1", "SA3"}
    (tmp_path / "s.toml").write_text('[check]\nselect = "SA1,SA3"\nalso = ["json=a.json", "json=b.json"]\n')
    assert program("--config", "s.toml", "check", model).returncode == 0
    assert all(json.loads((tmp_path / name).read_text())["rules_run"] == rules for name in ("a.json", "b.json"))


def test_files_may_begin_with_a_byte_order_mark(program: Program, model: Path, tmp_path: Path) -> None:
    set_tensors(lambda tensors: tensors.pop(UP))(model)
    program("check", model, "--write-baseline")
    (tmp_path / "p.toml").write_text("[severity]\nSA103 = 'error'\n")
    (tmp_path / "s.toml").write_text("[check]\nbaseline = 'shape-audit-baseline.json'\n")
    (tmp_path / "i.json").write_text('{"low": 0.01, "high": 0.1}')
    for file in ("p.toml", "s.toml", "i.json", "shape-audit-baseline.json"):
        (tmp_path / file).write_bytes(b"\xef\xbb\xbf" + (tmp_path / file).read_bytes())
    done = program("--config", "s.toml", "check", model, "--policy", "p.toml", "--interval", "i.json")
    assert done.returncode == 0 and "1 accepted" in done.stdout, done.stderr


def test_rules_are_listed_and_explained(program: Program) -> None:
    listed = program("rules").stdout
    assert all(rule in listed for rule in RULES)
    for rule in RULES.values():
        assert rule.why.endswith((".", ")")) and rule.fix.endswith((".", ")")) and rule.summary.endswith(".")
    done = program("explain", "missing-tensor")
    assert done.returncode == 0 and "SA301" in done.stdout and "random numbers" in done.stdout
    unknown = program("explain", "SA30l")
    assert unknown.returncode == 4 and "did you mean SA3" in unknown.stderr


def test_several_forms_in_one_run(program: Program, model: Path, tmp_path: Path) -> None:
    done = program("check", model, "-f", "json", "--also", "junit=r.xml", "--also", "sarif=r.sarif")
    assert json.loads(done.stdout)["findings"] == []
    assert (tmp_path / "r.xml").read_text().startswith("<?xml") and json.loads((tmp_path / "r.sarif").read_text())


def test_the_schema_of_a_report_is_printed(program: Program) -> None:
    assert json.loads(program("schema", "check").stdout)["title"] == "CheckReport"


def test_the_pre_commit_hook_is_one_and_runs(model: Path, clean_environment: dict[str, str]) -> None:
    manifest = ROOT / ".pre-commit-hooks.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-manifest", str(manifest)], check=True, cwd=ROOT)
    (hook,) = yaml.safe_load(manifest.read_text())
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for spoil, code in ((lambda folder: None, 0), (set_tensors(lambda tensors: tensors.pop(UP)), 1)):
        spoil(model)
        done = subprocess.run([*hook["entry"].split(), str(model)], env=clean_environment | path, capture_output=True)
        assert done.returncode == code, done.stderr
