"""Kind 9 of what a checkout may try, and kind 1 in the action: the steps of action.yml, as a runner runs them."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.checks.checkpoints import set_config, set_tensors
from tests.security.conftest import Checkout

ROOT = Path(__file__).resolve().parents[2]
UP = "model.layers.2.mlp.up_proj.weight"
Step = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def step(checkout: Checkout, tmp_path: Path) -> Step:
    """Runs a step in the checkout: inputs filled in, bash with -e and pipefail, and what `Install` would have made."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    python = tmp_path / "runner" / "shape-audit" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)

    def run(name: str, environment: dict[str, str] | None = None, **given: str) -> subprocess.CompletedProcess[str]:
        inputs = {key: entry.get("default", "") for key, entry in action["inputs"].items()} | given
        (one,) = [each for each in action["runs"]["steps"] if each["name"] == name]
        filled = {
            key: inputs[re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", value)[1]] for key, value in one["env"].items()
        }
        runner = {
            "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_WORKSPACE": str(checkout.folder), "PYTHONPATH": ".",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "RUNNER_TEMP": str(tmp_path / "runner"),
        }  # fmt: skip
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", one["run"]]
        return checkout.run(bash, **runner, **filled, **(environment or {}))

    return run


def test_the_action_checks(step: Step, checkout: Checkout, tmp_path: Path) -> None:
    done = step("Check", model="./model")
    assert done.returncode == 0 and "passed with" in done.stdout, done.stderr
    set_tensors(lambda tensors: tensors.pop(UP))(checkout.folder / "model")
    done = step("Check", model="./model", sarif="found.sarif", args="--fail-on warning --select SA3")
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=model/config.json,line=1,title=SA301 missing-tensor::block 2 lacks")
    assert "SA301" in (tmp_path / "summary.md").read_text()
    assert json.loads((checkout.folder / "found.sarif").read_text())["runs"][0]["results"]
    assert checkout.left == []


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ("", 0),
        ("--fail-on warning", 1),
        ("--select SA3\n--fail-on warning", 1),
        ("--select SA3\n\n  --fail-on\twarning\n", 1),
        ("""--select "SA3" '--fail-on=warning'""", 1),
        ("--fail-on 'warning", 4),
        ("--fail-on warning -- model", 4),
    ],
)
def test_every_line_and_quote_of_args_counts(step: Step, checkout: Checkout, args: str, code: int) -> None:
    set_config(dtype="float16")(checkout.folder / "model")
    done = step("Check", model="model", args=args)
    assert done.returncode == code, (done.stdout, done.stderr)


@pytest.mark.parametrize("model", ["--help", "--ignore=SA", "-o=pwned", "--", ""])
def test_a_model_is_no_option(step: Step, checkout: Checkout, model: str) -> None:
    done = step("Check", model=model)
    assert done.returncode in (2, 4) and done.stdout == "", done.stdout
    assert not (checkout.folder / "pwned").exists()


def test_the_action_takes_settings_from_a_file_that_is_named(step: Step, checkout: Checkout) -> None:
    set_config(dtype="float16")(checkout.folder / "model")
    checkout.write("gate.toml", "[check]\nfail-on = 'warning'\n")
    assert step("Check", model="model").returncode == 0
    done = step("Check", model="model", config="gate.toml")
    assert done.returncode == 1 and "settings: --config gate.toml" in done.stdout


def test_installing_runs_nothing_of_the_checkout(step: Step, checkout: Checkout, tmp_path: Path) -> None:
    """Without an index, so it ends where pip looks for the first package: venv and pip have run by then."""
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}
    done = step("Install shape-audit", nowhere)
    assert done.returncode != 0 and "ERROR: No matching distribution found for" in done.stderr, done.stderr
    assert (tmp_path / "runner" / "shape-audit" / "bin" / "pip").is_file()
    assert checkout.left == []
    done = step("Install shape-audit", extras="all")
    assert done.returncode == 4 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-measure.txt"])
def test_what_is_installed_has_hashes_and_is_what_was_tested(file: str) -> None:
    """scripts/lock writes them anew."""
    text = (ROOT / "action" / file).read_text()
    assert not re.search(r"://|--index|--find-links", text)
    entries = re.split(r"\n(?=\S)", text.partition("\n")[2].strip())
    locked = dict(entry.split(" ", 1)[0].split("==") for entry in entries)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert all(locked.get(name.replace("_", "-"), version) == version for name, version in pinned.items())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]["measure"] if "measure" in file else []
    wanted = {re.match(r"[\w-]+", need)[0].replace("_", "-") for need in [*project["dependencies"], *extras]}
    assert wanted | {"setuptools"} <= locked.keys()
