"""Kind 2 of what a checkout may try: to be taken for settings that hide a finding, name a file or change a number."""

import os
import re
from pathlib import Path

import pytest

from shape_audit.checks import FORMATS
from shape_audit.cli import main
from tests.checks.checkpoints import set_config, set_tensors, write_clean

UP = "model.layers.2.mlp.up_proj.weight"
SEVERITIES = "[tool.shape-audit.check.policy.severity]\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a model that must not pass: a tensor is missing."""
    folder = tmp_path / "above" / "here"
    set_tensors(lambda tensors: tensors.pop(UP))(write_clean(folder / "model"))
    write_clean(folder / "model" / "decoy")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("place", [".", ".."])
@pytest.mark.parametrize(
    "settings",
    [
        "[tool.shape-audit.check]\nignore = 'SA3'\n",
        "[tool.shape-audit.check]\nselect = 'SA101'\n",
        "[tool.shape-audit.check]\nsubfolder = 'decoy'\n",
        "[tool.shape-audit.check]\noutput = 'report'\nalso = ['sarif=report']\n",
        "[tool.shape-audit.check]\nbaseline = 'report'\nwrites-baseline = true\n",
        "[tool.shape-audit.check]\nrecord = 'pipe'\n",
        "[tool.shape-audit.check]\npolicy = 'pipe'\n",
        "[tool.shape-audit.check.policy]\ninterval = 'pipe'\n",
        "[[tool.shape-audit.check.policy.ignore]]\nrule = 'SA301'\nreason = 'trust me'\n",
        SEVERITIES + "SA301 = 'off'\n",
        SEVERITIES + "SA301 = 'note'\n",
    ],
)
def test_found_settings_hide_nothing_and_name_no_file(
    here: Path, place: str, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / place / "pyproject.toml").write_text(settings)
    os.mkfifo(here / "pipe")  # whoever opens it waits for ever
    assert main(["check", "model"]) == 1
    out, err = capsys.readouterr()
    assert "error   SA301" in out and not (here / "report").exists()
    assert "not in effect: " in err or "severities: SA301 at least note" in out


def test_found_settings_make_the_gate_stricter(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_config(dtype="float16")(here / "model" / "decoy")
    assert main(["check", "model/decoy"]) == 0 and "warning SA312" in capsys.readouterr().out
    (here / "pyproject.toml").write_text("[tool.shape-audit.check]\nfail-on = 'warning'\n")
    assert main(["check", "model/decoy"]) == 1
    assert "settings: pyproject.toml (found, only what is stricter)\n" in capsys.readouterr().out
    (here / "pyproject.toml").write_text(SEVERITIES + "SA312 = 'error'\n")
    assert main(["check", "model/decoy"]) == 1 and "error   SA312" in capsys.readouterr().out


def test_found_bounds_add_to_what_is_looked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "[tool.shape-audit.check.policy.bounds]\ntensor-parallel = [3]\nfeed-forward-ratio = [3.5, 4]\n"
    (here / "pyproject.toml").write_text(text)
    main(["check", "model/decoy"])
    out, err = capsys.readouterr()
    assert "num_attention_heads = 8 does not split into 3 equal parts" in out and "SA104" not in out
    assert "not in effect: policy.bounds.feed-forward-ratio" in err


@pytest.mark.parametrize("form", FORMATS)
def test_what_a_named_file_hides_stands_in_every_report(
    here: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "team.toml").write_text(
        "[check]\nignore = 'SA2'\n[[check.policy.ignore]]\nrule = 'SA301'\nreason = 'agreed'\n"
        "[check.policy.severity]\nSA404 = 'off'\nSA102 = 'error'\n"
    )
    assert main(["--config", "team.toml", "check", "model", "-f", form]) == 0
    out, err = capsys.readouterr()
    for said in ("team.toml", "SA201", "SA404", "SA102", "SA301", "agreed"):
        assert said in " ".join(out.split()), said
    assert err == ""


def test_a_baseline_is_named_with_what_it_accepts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "model", "--write-baseline"]) == 0
    assert main(["check", "model", "--baseline", "shape-audit-baseline.json"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "settings: --baseline shape-audit-baseline.json" in out and "1 of SA301 (in the baseline)" in out


@pytest.mark.parametrize("command", ["audit", "suggest"])
def test_no_number_of_another_command_changes(here: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {
        "audit": ["audit", "model/decoy", "--shape-only", "--records", "records", "-f", "markdown"],
        "suggest": ["suggest", "--params", "30m", "-f", "json"],
    }[command]
    table = {"audit": "interval = 'elsewhere'\n", "suggest": "vocab = 512\n"}[command]
    assert main(arguments) == 0
    expected = capsys.readouterr().out
    (here / "pyproject.toml").write_text(f"[tool.shape-audit.{command}]\n{table}")
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    seal = re.compile(r"\| record \| \w+ \|")  # which holds the date
    assert seal.sub("", out) == seal.sub("", expected) and "not in effect: " in err
