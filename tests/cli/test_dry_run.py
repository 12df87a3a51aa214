"""`--dry-run`, and the refusals of the program where memory is short or a map is none."""

import json
from pathlib import Path

import pytest

from shape_audit.errors import ExitCode
from shape_audit.models import available_memory as of_memory
from tests.cli.test_program import outcome
from tests.parallel.test_processes_of_run import launched
from tests.tiny_models import save_tiny


@pytest.fixture(autouse=True)
def _own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHAPE_AUDIT_AUDIT_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("SHAPE_AUDIT_AUDIT_DEVICE", "cpu")


def available(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(of_memory, "available_memory", lambda device: {"cpu": count})


def test_it_says_what_fits_and_measures_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = outcome(capsys, "audit", "builtin:bytes-1m", "--dry-run")
    assert code == 0 and err == "" and not (tmp_path / "records").exists()
    assert out.startswith("builtin:bytes-1m fits: 16 windows of 256 tokens at once, float32\n")
    row = next(line.split() for line in out.splitlines() if line.startswith("cpu"))
    assert row[1:3] == ["3.91", "MB"] and row[-1] == "yes"


def test_a_map_has_a_row_for_every_memory(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "audit", "builtin:bytes-1m", "--dry-run", "--device-map", "disk", "-f", "json")
    plan = json.loads(out)
    assert code == 0 and plan["is_checkpointed"] and plan["fits"] and plan["advice"] == ""
    cpu, disk = plan["devices"]
    assert (cpu["device"], disk["device"]) == ("cpu", "disk") and disk["available"] is None
    assert 5 * cpu["streamed"] == disk["weights"] > 3e6 and disk["sums"] == disk["activations"] == 0
    code, out, _ = outcome(capsys, "audit", "builtin:bytes-1m", "--dry-run", "--device-map", "disk", "-f", "markdown")
    assert code == 0 and "| disk | 3" in out and "activations checkpointed" in out


def test_what_does_not_fit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    available(monkeypatch, 3_000_000)
    code, out, err = outcome(capsys, "audit", "builtin:bytes-1m", "--dry-run")
    assert code == ExitCode.INCOMPLETE and "does not fit" in out.splitlines()[0] and "NO" in out
    assert err.startswith("shape-audit: builtin:bytes-1m: too little memory: cpu needs ") and err.count("\n") == 1
    assert "use --device-map disk or --sites embedding" in err
    code, out, err = outcome(capsys, "audit", "builtin:bytes-1m", "--windows", "4", "--seq-len", "16")
    assert code == ExitCode.INCOMPLETE and out == "" and err.count("\n") == 1
    assert "too little memory: cpu needs" in err and "use --device-map disk or --sites embedding" in err
    available(monkeypatch, 12_000_000)  # weights and sums, but not sixteen windows
    code, out, err = outcome(capsys, "audit", "builtin:bytes-1m", "--dry-run", "--micro-batch", "16")
    assert code == ExitCode.INCOMPLETE and "a lower --micro-batch" in err
    other = save_tiny(tmp_path / "tiny", "llama")
    code, out, err = outcome(capsys, "audit", other, "builtin:bytes-1m", "--dry-run", "--micro-batch", "16",
                             "--seq-len", "32", "--windows", "4")  # fmt: skip
    assert (
        code == ExitCode.INCOMPLETE and out.startswith("tiny fits: 16 windows of 32 tokens") and "bytes-1m does" in out
    )


def test_a_real_run_takes_the_micro_batch_that_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    available(monkeypatch, 14_000_000)
    code, out, _ = outcome(capsys, "audit", "builtin:bytes-1m", "--dry-run", "--seq-len", "64", "-f", "json")
    plan = json.loads(out)
    assert code == 0 and 1 <= plan["micro_batch"] < 16
    code, out, _ = outcome(capsys, "audit", "builtin:bytes-1m", "--windows", "16", "--seq-len", "64", "-f", "json")
    assert code == 0 and json.loads(out)["environment"]["micro_batch"] == plan["micro_batch"]


def test_wrong_usage_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bad.json").write_text("[]")
    (tmp_path / "other.json").write_text('{"model.layers.99": "cpu"}')
    cases = [
        (("--device-map", "gpu"), "--device-map must be one of auto, balanced, cpu, disk or a JSON file, not gpu"),
        (("--device-map", "bad.json"), "--device-map bad.json: it must be an object"),
        (("--device-map", "other.json", "--dry-run"), "has no module 'model.layers.99'"),
        (("--device-map", "auto", "--max-memory", "cpu"), "expected DEVICE=SIZE"),
        (("--max-memory", "cpu=1GB"), "--max-memory goes with --device-map auto or balanced"),
        (("--device-map", "disk", "--nfa"), "leave out --device-map or --nfa"),
        (("--dry-run", "--shape-only"), "--dry-run is about a measurement"),
    ]
    for arguments, line in cases:
        code, out, err = outcome(capsys, "audit", "builtin:bytes-1m", *arguments)
        assert code == ExitCode.WRONG_USAGE and out == "" and err.count("\n") == 1 and line in err, err
    for name, value in launched(0, 2).items():
        monkeypatch.setenv(name, value)
    code, out, err = outcome(capsys, "audit", "builtin:bytes-1m", "--device-map", "disk")
    assert code == ExitCode.WRONG_USAGE and "choose one" in err
