"""Help that can be read, completion, and the nearest name where one is not known."""

import re

import pytest

from shape_audit.cli import main
from tests.conftest import Program
from tests.loopback_hub import LoopbackHub


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def headings(text: str) -> list[str]:
    return re.findall(r"^(\w.*):$", text, re.MULTILINE)


def test_help_of_an_audit_fits_two_screens_and_has_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--help"]) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= 100 and max(map(len, shown.splitlines())) <= 100
    found = headings(shown)
    assert found == [
        "Arguments",
        "Model",
        "Text",
        "Measurement",
        "Hardware",
        "Scores",
        "Cluster",
        "Output",
        "Advanced",
        "Options",
    ]


@pytest.mark.parametrize(
    "command", [["check"], ["score"], ["suggest"], ["link"], ["interval"], ["sweep", "run"], ["leaderboard", "build"]]
)
def test_long_commands_list_nothing_outside_of_a_group(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert {"Output", "Options"} < set(headings(shown))
    assert re.findall(r"--\w+", shown.partition("\nOptions:\n")[2]) == ["--debug", "--help"]


@pytest.mark.parametrize("group", ["leaderboard", "sweep"])
def test_the_help_of_a_group_has_whole_sentences(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group, "--help"]) == 0
    shown = capsys.readouterr().out
    listed = re.split(r"^  (?=\w)", shown.partition("\nCommands:\n")[2], flags=re.MULTILINE)[1:]
    assert listed and all(" ".join(entry.split()).endswith(".") and "..." not in entry for entry in listed)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("check MODEL --fail-on warn", "'warn' is not one of 'error', 'warning', 'note'; see shape-audit check"),
        ("audit MODEL --seq-len x", "'--seq-len': 'x' is not a whole number; see shape-audit audit"),
        ("interval --tolerance 2,5", "'--tolerance': '2,5' is not a number; see shape-audit interval"),
        ("audit MODEL --seq-len", "Option '--seq-len' requires an argument; see shape-audit audit"),
        ("leaderboard build --bogus", "--bogus (Possible options: --jobs); see shape-audit leaderboard build"),
        ("check", "Missing argument 'MODEL'; see shape-audit check"),
        ("--bogus", "No such option: --bogus; see shape-audit"),
    ],
)  # fmt: skip
def test_a_refused_command_line_is_said_in_our_words_and_sends_to_its_own_help(
    typed: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed.split()) == 4
    said = capsys.readouterr().err
    assert said.endswith(f"{says} --help\n") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("aud", "audit"),
        ("audit --shape", "--shape-only"),
        ("leaderboard ver", "verify"),
        ("sweep run --dep", "--depths"),
    ],
)
def test_shells_complete_commands_and_options(program: Program, typed: str, offered: str) -> None:
    words = ["shape-audit", *typed.split()]
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = program(_SHAPE_AUDIT_COMPLETE="complete_bash", **asked)
    assert (done.returncode, done.stdout.split()) == (0, [offered])


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["adit", "builtin:bytes-1m"], "audit"),
        (["audit", "builtin:bytes-2m"], "did you mean builtin:bytes-1m?"),
        (["audit", "builtin:bytes-1m", "--windws", "3"], "--windows"),
        (["audit", "builtin:bytes-1m", "--protocol", "loss-gradients"], "did you mean loss-gradient?"),
        (["check", "builtin:bytes-1m", "--select", "SA31O"], "did you mean SA31"),
        (["explain", "missing-tensors"], "did you mean missing-tensor?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    words: list[str], nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) in (2, 4)
    assert nearest in capsys.readouterr().err


def test_a_model_that_the_hub_does_not_have_is_answered_with_a_known_one(program: Program, hub: LoopbackHub) -> None:
    done = program("audit", "Qwen/Qwen2.5-05B", "--shape-only", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 2
    assert "not found on the Hub" in done.stderr and "did you mean Qwen/Qwen2.5-0.5B?" in done.stderr
    known = program("audit", "Qwen/Qwen2.5-0.5B", "--shape-only", HF_ENDPOINT=hub.endpoint)
    assert known.returncode == 2 and "did you mean Qwen/Qwen2.5-0.5B?" not in known.stderr
