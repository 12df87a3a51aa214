"""The README says what the program does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shape_audit.errors import ExitCode
from shape_audit.interval import derive_interval

README = Path(__file__).resolve().parents[1] / "README.md"
HELP = re.compile(r"(<!-- help: ([\w ]+) -->\n```\n)(.*?)(```)", re.DOTALL)


def shown_help(command: str) -> str:
    environment = os.environ | {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "shape_audit", *command.split(), "--help"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", [match[1] for match in HELP.findall(README.read_text(encoding="utf-8"))])
def test_help_blocks_are_the_programs_own(command: str) -> None:
    """To write them anew: SHAPE_AUDIT_WRITE_README=1 scripts/test tests/test_readme.py"""
    text = README.read_text(encoding="utf-8")
    shown = shown_help(command)
    if os.environ.get("SHAPE_AUDIT_WRITE_README"):
        fresh = HELP.sub(lambda m: m[1] + shown + m[4] if m[2] == command else m[0], text)
        README.write_text(fresh, encoding="utf-8")
        return
    assert {match[1]: match[2] for match in HELP.findall(text)}[command] == shown


def test_exit_codes_are_all_in_the_table() -> None:
    rows = re.findall(r"^\| (\d+) \| ", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == [int(code) for code in ExitCode]


def test_what_it_says_of_the_fitted_best_shape_is_what_the_fit_says() -> None:
    text = " ".join(README.read_text(encoding="utf-8").split())
    for min_params, says in ((1e6, "with no drift to be seen ({})"), (3e5, "there is one ({}: larger budgets ask")):
        fit = derive_interval(min_params=min_params).fit
        assert fit and fit.drift_ci
        low, high = fit.drift_ci
        assert says.format(f"N^{fit.drift:.2f} [{low:.2f}, {high:.2f}]") in text
        if min_params == 1e6:
            assert f"a* is {fit.best[0].r_dw:.3f} to {fit.best[-1].r_dw:.3f} from 1M to 10M parameters" in text


def test_the_python_example_runs() -> None:
    example = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    names: dict[str, object] = {}
    exec(example[1], names)
    record = names["record"]
    assert record.placement.side == "inside"  # type: ignore[attr-defined]


def test_the_evidence_is_the_one_shown() -> None:
    """Every figure, to the last digit: draws are seeded."""
    section = README.read_text(encoding="utf-8").partition("## What shape has to do with scores")[2]
    example = section.partition("`link` says:\n\n")[2].partition("\n\n43 of")[0]
    shown = [line[4:] for line in example.splitlines() if line]
    command = [sys.executable, "-m", "shape_audit", "link"]
    done = subprocess.run(command, env=os.environ | {"COLUMNS": "100"}, capture_output=True, text=True)
    said = iter(done.stdout.splitlines())
    assert len(shown) > 20 and all(line in said for line in shown)  # in this order, with other lines between them
    assert "without the 43" in done.stdout


def test_the_suggested_shapes_are_those_shown() -> None:
    section = README.read_text(encoding="utf-8").partition("## Suggest a shape")[2].partition("\n## ")[0]
    example = section.partition("(shortened):")[2].partition("\nThe sizes")[0]
    shown = [line[4:] for line in example.splitlines() if line.strip()]
    command = [sys.executable, "-m", "shape_audit", "suggest", "--params", "1.2B"]
    done = subprocess.run(command, env=os.environ | {"COLUMNS": "100"}, capture_output=True, text=True)
    assert len(shown) > 10 and not set(shown) - set(done.stdout.splitlines())


def test_the_policy_example_is_a_policy(tmp_path: Path) -> None:
    from shape_audit.checks import RULES, read_policy

    example = re.search(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "policy.toml").write_text(example[1])
    policy = read_policy(tmp_path / "policy.toml", RULES)
    assert policy.interval and policy.severity and policy.aofe_ratio and policy.feed_forward_ratio and policy.ignore
