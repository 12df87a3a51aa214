"""Kind 1 of what a checkout may try: to be imported or run, by the program, its processes or what those start.

Every command is run, and every option of `check`. `score`, whose lm-eval starts git and others, stands in
test_benchmark_of_the_working_directory.py, the action in test_inputs_of_the_action.py.
"""

import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from shape_audit.cli.app import COMMANDS, program_of
from tests.security.conftest import Checkout, installed_modules

SHAPE_ONLY = ("audit", "model", "--shape-only", "--records", "records")
FEW = ("--seq-len", "16", "--windows", "2")
SWEEP = ("--params", "24k", "--depths", "1", "--data", "builtin:python-docs", "--seq-len", "32", "--batch", "8",
         "--windows", "8", "--tokens-per-param", "0.1", "--eval-bytes", "2000", "--tolerance", "0.1")  # fmt: skip
RECORD = "records/*__w2.json"
Step = tuple[int, tuple[str, ...]]
STEPS: dict[str, tuple[Step, ...]] = {
    "reading": (
        (0, ("rules",)), (0, ("explain", "SA301")), (0, ("schema", "check")), (0, ("scores", "model")),
        (0, ("interval", "--draws", "0")), (0, ("suggest", "--params", "30m", "--write-config", "made")),
        (0, ("link", "--draws", "100")), (4, ("app", "--port", "65536")),
    ),
    "checking": ((0, SHAPE_ONLY), (0, ("check", "model", "--deep", "--weights", "--measure"))),
    "checking with every option": (
        (0, ("audit", "model", *FEW, "--records", "records")),
        (0, ("interval", "--draws", "0", "-f", "json", "-o", "derived.json")),
        (0, ("check", "model", "--write-baseline", "--baseline", "accepted.json")),
        (0, ("check", "model", "--baseline", "accepted.json")),
        (0, ("check", "model", "--policy", "gate.toml", "--interval", "derived.json", "--record", RECORD, "--select",
             "SA1,SA3,SA8", "--ignore", "SA104", "--fail-on", "error", "--retries", "0", "--anchor",
             "model/config.json", "--format", "github", "--output", "report.txt", "--also", "sarif=found.sarif",
             "--debug")),
        (0, ("check", ".", "--subfolder", "model", "--variant", "fp16")),
        (4, ("check", "model", "--verify-hashes")),
    ),
    "in processes": ((0, ("audit", "model", *FEW, "--records", "records", "--num-processes", "2")),),
    "boards": (
        (0, ("leaderboard", "init", "m.toml")), (4, ("leaderboard", "build")),
        (0, ("leaderboard", "build", "m.toml", "--output", "board")), (0, ("leaderboard", "render", "board")),
        (0, ("leaderboard", "verify", "board")), (0, ("leaderboard", "diff", "board", "board")),
        (0, ("leaderboard", "card", "Qwen/Qwen2.5-0.5B", "--board", "board")),
        (0, ("leaderboard", "push", "board", "--repo", "org/name", "--dry-run")),
    ),
    "sweeping": ((0, ("sweep", "run", *SWEEP, "--output", "swept")),),
}  # fmt: skip
"""Exit code and words of commands that follow each other in one checkout."""
USUAL = ("reading", "checking")
"""Those that are run with every change; the others take a minute."""


def commands(named: Any, *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Words and click's object of every command there is."""
    for name, command in named.commands.items():
        inside = commands(command, *before, name) if hasattr(command, "commands") else [((*before, name), command)]
        yield from inside


@pytest.mark.parametrize(
    "steps", [pytest.param(name, marks=[pytest.mark.long] * (name not in USUAL)) for name in STEPS]
)
def test_no_command_runs_code_of_the_checkout(checkout: Checkout, steps: str) -> None:
    checkout.write("gate.toml", "[severity]\nSA301 = 'error'\n")
    checkout.write("leaderboard.toml", f"[[models]]\nnames = ['model']\n[scores]\nfiles = ['{checkout.marks}']\n")
    shutil.copy(checkout.folder / "model/model.safetensors", checkout.folder / "model/model.fp16.safetensors")
    for code, words in STEPS[steps]:
        done = checkout.program(*(next(checkout.folder.glob(RECORD)) if word == RECORD else word for word in words))
        assert done.returncode == code, (words, done.stderr)
        assert checkout.left == [], words


def test_no_command_and_no_option_of_check_is_forgotten() -> None:
    every = dict(commands(program_of(COMMANDS)))
    run = [words for steps in STEPS.values() for _, words in steps]
    assert {words for words in every if not any(one[: len(words)] == words for one in run)} == {("score",)}
    given = {word for words in run if words[0] == "check" for word in words}
    options = [set(parameter.opts) for parameter in every["check",].params if parameter.param_type_name == "option"]
    assert [names for names in options if not names & given] == []


@pytest.mark.parametrize("flag", ["-P", "-I"])
def test_nor_does_python_that_is_told_not_to_look_there(checkout: Checkout, flag: str) -> None:
    done = checkout.run([sys.executable, flag, "-m", "shape_audit", *SHAPE_ONLY])
    assert done.returncode == 0, done.stderr
    assert checkout.left == []


def test_plain_python_m_imports_no_other_package_from_there(checkout: Checkout) -> None:
    """A shape_audit.py there, and modules of Python's own that are needed before ours, are beyond our reach."""
    for decoy in checkout.folder.glob("*.py"):
        if decoy.stem not in installed_modules() or decoy.stem == "shape_audit":
            decoy.unlink()
    assert (checkout.folder / "rich.py").exists()
    done = checkout.run([sys.executable, "-m", "shape_audit", *SHAPE_ONLY])
    assert done.returncode == 0, done.stderr
    assert checkout.left == []


def test_the_attacks_are_real(checkout: Checkout) -> None:
    """What the program does without would leave marks."""
    checkout.run([sys.executable, "-m", "pip", "list"])
    assert checkout.left, "python -m looks into the working directory"
    for mark in checkout.marks.iterdir():
        mark.unlink()
    checkout.run(["git", "describe", "--always"])
    assert checkout.left == ["git fetched"]
