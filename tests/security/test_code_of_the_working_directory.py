"""Kind 1 of what a checkout may try: to be imported or run, by the program, its processes or what those start."""

import pytest

from tests.security.conftest import Checkout

FEW = ("--seq-len", "16", "--windows", "2", "--records", "records")
SHORT_SWEEP = (
    "sweep", "run", "--params", "24k", "--depths", "1", "--data", "builtin:python-docs", "--seq-len", "32",
    "--batch", "8", "--windows", "8", "--tokens-per-param", "0.1", "--eval-bytes", "2000", "--tolerance", "0.1",
    "--output", "swept",
)  # fmt: skip
COMMANDS = (
    ("audit", "model", "--shape-only", "--records", "records"),
    ("audit", "model", *FEW),
    ("audit", "model", *FEW, "--num-processes", "2"),
    ("check", "model"),
    ("check", "model", "--deep", "--weights", "--measure"),
    ("scores", "model"),
    ("leaderboard", "build", "--output", "board"),
    ("link", "--draws", "100"),
    SHORT_SWEEP,
    (*SHORT_SWEEP, "--num-processes", "2"),
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_command_runs_code_of_the_checkout(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    done = checkout.program(*arguments)
    assert done.returncode == 0, done.stderr
    assert checkout.left == []
