"""Kind 1 of what a checkout may try: to be imported or run, by the program, its processes or what those start.

`score`, whose lm-eval starts `python -m pip` and git, stands in test_benchmark_of_the_working_directory.py, the action
in test_inputs_of_the_action.py.
"""

import sys
from importlib.metadata import packages_distributions

import pytest

from tests.security.conftest import Checkout

SHAPE_ONLY = ("audit", "model", "--shape-only", "--records", "records")
COMMANDS = (
    SHAPE_ONLY,
    ("audit", "model", "--seq-len", "16", "--windows", "2", "--records", "records", "--num-processes", "2"),
    ("check", "model", "--deep", "--weights", "--measure"),
    ("check", "model", "--write-baseline"),
    ("scores", "model"),
    ("leaderboard", "build", "--output", "board"),
    ("link", "--draws", "100"),
    ("sweep", "run", "--params", "24k", "--depths", "1", "--data", "builtin:python-docs", "--seq-len", "32",
     "--batch", "8", "--windows", "8", "--tokens-per-param", "0.1", "--eval-bytes", "2000", "--tolerance", "0.1",
     "--output", "swept", "--num-processes", "2"),
)  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments[:2]))
def test_no_command_runs_code_of_the_checkout(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    done = checkout.program(*arguments)
    assert done.returncode == 0, done.stderr
    assert checkout.left == []


@pytest.mark.parametrize("flag", ["-P", "-I"])
def test_nor_does_python_that_is_told_not_to_look_there(checkout: Checkout, flag: str) -> None:
    done = checkout.run([sys.executable, flag, "-m", "shape_audit", *SHAPE_ONLY])
    assert done.returncode == 0, done.stderr
    assert checkout.left == []


def test_plain_python_m_imports_no_other_package_from_there(checkout: Checkout) -> None:
    """A shape_audit.py there, and modules of Python's own that are needed before ours, are beyond our reach."""
    for decoy in checkout.folder.glob("*.py"):
        if decoy.stem not in packages_distributions() or decoy.stem == "shape_audit":
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
