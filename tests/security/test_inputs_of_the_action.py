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


@pytest.fixture(scope="module")
def index() -> list[str]:
    """`pip install` that only says what it would do, if there is a package index to ask."""
    pip = [sys.executable, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--dry-run"]
    done = subprocess.run([*pip, "--no-deps", "--ignore-installed", "setuptools"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no package index can be asked: {done.stderr.strip().splitlines()[-1]}")
    return pip


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


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., tuple[int, list[str], str]]:
    """Runs action/install with a Python that only notes what it is called with: exit code, calls, stderr."""
    notes, python = tmp_path / "calls", tmp_path / "bin" / "python"
    python.parent.mkdir()
    copied = 'mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python"'
    python.write_text(f'#!/bin/bash\necho "$*" >>{notes}\nif [ "$3" = venv ]; then {copied}; fi\n')
    python.chmod(0o755)

    def run(*arguments: str, extras: str = "") -> tuple[int, list[str], str]:
        notes.write_text("")
        environment = {"PATH": f"{python.parent}:/usr/bin:/bin", "EXTRAS": extras}
        command = ["bash", str(ROOT / "action" / "install"), *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, notes.read_text().splitlines(), done.stderr

    return run


@pytest.mark.parametrize(("extras", "lock"), [("", "requirements.txt"), ("measure", "requirements-measure.txt")])
@pytest.mark.parametrize("folder", ["plain", "with a space"])
def test_install_isolates_python_and_asks_for_hashes(
    recorded: Callable[..., tuple[int, list[str], str]], tmp_path: Path, extras: str, lock: str, folder: str
) -> None:
    code, calls, said = recorded(str(tmp_path / folder), extras=extras)
    assert (code, said, len(calls)) == (0, "", 3)
    assert calls[0] == f"-I -m venv --clear {tmp_path / folder}"
    assert all(call.startswith("-I -m pip install ") for call in calls[1:])
    assert calls[1].endswith(f" --require-hashes --requirement {ROOT / 'action' / lock}")
    assert calls[2].endswith(f" --no-deps --no-index --no-build-isolation {ROOT / 'action'}/..")


@pytest.mark.parametrize(
    ("arguments", "extras", "says"),
    [((), "", "usage"), (("",), "", "usage"), (("a", "b"), "", "usage"), (("a",), "all", "extras: must be empty")],
)
def test_install_refuses_what_it_does_not_know(
    recorded: Callable[..., tuple[int, list[str], str]], arguments: tuple[str, ...], extras: str, says: str
) -> None:
    code, calls, said = recorded(*arguments, extras=extras)
    assert (code, calls) == (4, []) and says in said and said.count("\n") == 1


@pytest.mark.long
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
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]  # without isolation
    needs = [*project["dependencies"], *extras, *build]
    assert {re.match(r"[\w-]+", need)[0].replace("_", "-") for need in needs} <= locked.keys()


@pytest.mark.long
@pytest.mark.parametrize("file", ["requirements.txt", "requirements-measure.txt"])
def test_every_package_that_the_lock_brings_has_its_hashes(index: list[str], file: str) -> None:
    """pip resolves all of it, and refuses what a locked package needs and the lock has not; nothing is installed."""
    needed = ["--ignore-installed", "--require-hashes", "--requirement", str(ROOT / "action" / file)]
    done = subprocess.run([*index, *needed], capture_output=True, text=True)
    assert done.returncode == 0 and "Would install" in done.stdout, done.stderr


@pytest.mark.long
def test_what_was_installed_checks_a_model(index: list[str], step: Step, checkout: Checkout) -> None:
    done = step("Install shape-audit")
    assert done.returncode == 0, done.stderr
    done = step("Check", model="model")
    assert done.returncode == 0 and "passed with" in done.stdout, done.stderr
    assert checkout.left == []
