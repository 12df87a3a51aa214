"""The program as a user runs it: exit codes, one line an error, forms, settings, interruption."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

import shape_audit
from shape_audit.cli import main
from shape_audit.errors import ExitCode
from shape_audit.records import record_file_name
from tests.conftest import Program
from tests.moments import Stopped, fresh, stopping_at
from tests.processes import LONG
from tests.tiny_models import save_tiny

LongAudit = Callable[[str], AbstractContextManager[Stopped]]
FEW = ("--windows", "4", "--seq-len", "16")


@pytest.fixture(autouse=True)
def _own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Records and settings of these tests are their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHAPE_AUDIT_AUDIT_RECORDS", str(tmp_path / "records"))


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_each_exit_code(capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_text("")
    cases: list[tuple[tuple[str | Path, ...], ExitCode, str]] = [
        (("audit", tiny_llama, "--shape-only"), ExitCode.CLEAN, ""),
        (("audit", tmp_path / "gone"), ExitCode.INCOMPLETE, "no such folder"),
        (("audit", pickled), ExitCode.NOTHING_AUDITABLE, "pickled weights only"),
        (("audit", tiny_llama, "--seq-len", "65"), ExitCode.WRONG_USAGE, "beyond the model's 64 positions"),
        (("audit", tiny_llama, "--sites", "x"), ExitCode.WRONG_USAGE, "no site 'x'"),
        (("audit", tiny_llama, "--seq-len", "x"), ExitCode.WRONG_USAGE, "'--seq-len'"),
        (("audit", tiny_llama, "--device", "tpu"), ExitCode.WRONG_USAGE, "'tpu' is not one of"),
        (("audit",), ExitCode.WRONG_USAGE, "Missing argument 'MODEL"),
        (("audit", tiny_llama, "--nope"), ExitCode.WRONG_USAGE, "No such option: --nope"),
        (("nope",), ExitCode.WRONG_USAGE, "No such command 'nope'"),
        (("interval", tmp_path / "gone.csv"), ExitCode.INCOMPLETE, "No such file"),
        (("interval", "--tolerance", "0"), ExitCode.WRONG_USAGE, "tolerance must be a fraction"),
    ]
    for arguments, code, line in cases:
        found, out, err = outcome(capsys, *arguments)
        assert found == code, (arguments, err)
        if code:
            assert out == "" and err.count("\n") == 1 and err.startswith("shape-audit: ") and line in err, err


def test_several_models_are_each_reported(capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "tiny-gpt2", "gpt2")
    code, out, err = outcome(capsys, "audit", tiny_llama, other, "--shape-only", "-f", "json")
    assert code == 0 and [record["model"]["repo_id"] for record in json.loads(out)] == ["tiny-llama", "tiny-gpt2"]
    code, out, err = outcome(capsys, "audit", tiny_llama, "./gone", other, "--shape-only")
    assert code == ExitCode.INCOMPLETE
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith("tiny-")}
    assert rows["tiny-llama"][1:7] == ["2", "×", "24", "0.0833", "0.73", "%"] and rows["tiny-gpt2"][4] == "0.0833"
    assert out.count("deep-narrow") == 2
    assert "./gone: no such folder" in err and out.count("A coordinate, not a grade") == 1
    code, out, err = outcome(capsys, "audit", tiny_llama, other, "--shape-only", "-f", "markdown")
    assert code == 0 and "| tiny-llama | 2 × 24" in out and "| 0.0833 deep-narrow | 0.73 %" in out


def test_forms(capsys: pytest.CaptureFixture[str], tiny_llama: Path) -> None:
    code, out, err = outcome(capsys, "audit", tiny_llama, *FEW, "-f", "json")
    assert code == 0 and json.loads(out)["interaction"]["windows_used"] == 4
    assert err.startswith("record: ") and Path(err.removeprefix("record: ").strip()).is_file()
    code, out, _ = outcome(capsys, "audit", tiny_llama, "--shape-only", "-f", "markdown")
    assert (
        code == 0 and out.startswith("# tiny-llama\n\n**2 layers on a width of 24") and "\ntiny-llama is above" in out
    )
    code, out, _ = outcome(capsys, "schema")
    assert code == 0 and json.loads(out)["title"] == "AuditRecord"
    code, out, _ = outcome(capsys, "interval", "--format", "json")
    assert code == 0 and json.loads(out)["low"] == 1 / 49
    code, out, _ = outcome(capsys, "--version")
    assert code == 0 and out.startswith("shape-audit 0.")


def test_an_interval_of_ones_own(capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path) -> None:
    file = tmp_path / "interval.json"
    assert outcome(capsys, "interval", "--tolerance", "0.015", "-f", "json", "-o", file)[0] == 0
    code, out, _ = outcome(capsys, "audit", tiny_llama, "--shape-only", "--interval", file)
    assert code == 0 and "[0.0284, 0.0541] (reference sweep, 1.5 %)" in " ".join(out.split())


def test_output_goes_to_a_file_or_the_earlier_one_stays(
    capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path
) -> None:
    file = tmp_path / "audit.txt"
    code, out, _ = outcome(capsys, "audit", tiny_llama, "--shape-only", "-o", file)
    assert code == 0 and out == "" and "tiny-llama is above" in file.read_text()
    before = file.read_text()
    assert outcome(capsys, "audit", tmp_path / "gone", "-o", file)[0] == 2
    assert file.read_text() == before
    code, _, err = outcome(capsys, "audit", tiny_llama, "--shape-only", "-o", tmp_path / "nowhere" / "x.txt")
    assert code == 2 and "no such folder" in err and not (tmp_path / "nowhere").exists()
    assert outcome(capsys, "audit", tiny_llama, tiny_llama, "--save-windows", file)[0] == ExitCode.WRONG_USAGE
    (tmp_path / "taken").write_text("")
    code, out, err = outcome(capsys, "audit", tiny_llama, "--shape-only", "-o", tmp_path / "taken" / "x.txt")
    assert code == 2 and "the report could not be written" in err and "see --output" in err


def test_settings_flag_over_environment_over_named_file(
    capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.shape-audit.audit]\nseq-len = 8\nwindows = 2\nformat = 'json'\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setenv("SHAPE_AUDIT_CONFIG", "../pyproject.toml")
    assert json.loads(outcome(capsys, "audit", tiny_llama)[1])["calibration"]["seq_len"] == 8
    monkeypatch.setenv("SHAPE_AUDIT_AUDIT_SEQ_LEN", "9")
    assert json.loads(outcome(capsys, "audit", tiny_llama)[1])["calibration"]["seq_len"] == 9
    record = json.loads(outcome(capsys, "audit", tiny_llama, "--seq-len", "10")[1])
    assert (record["calibration"]["seq_len"], record["calibration"]["windows"]) == (10, 2)


@pytest.mark.parametrize(
    ("settings", "arguments", "left"),
    [
        ("windows = 2", ("--tolerance", "0.9", "--max-windows", "6"), "windows"),
        (
            "device-map = 'disk'\nmax-windows = 6\ntolerance = 0.9",
            ("--shape-only",),
            "tolerance, max-windows, device-map",
        ),
        ("tolerance = 0.9\nmax-windows = 6", ("--windows", "2"), "tolerance, max-windows"),
    ],
)
def test_the_command_line_makes_settings_moot_that_contradict_it(
    capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path, settings: str, arguments: tuple[str, ...],
    left: str,
) -> None:  # fmt: skip
    (tmp_path / "s.toml").write_text(f"[audit]\nseq-len = 8\n{settings}\n")
    code, out, err = outcome(capsys, "--config", tmp_path / "s.toml", "audit", tiny_llama, "-f", "json", *arguments)
    assert code == 0 and json.loads(out)["shape"], err
    said = f"not in effect beside what the command line says: {left} from {tmp_path / 's.toml'}"
    assert f"shape-audit: {said}\n" in err
    assert "--shape-only" in arguments or json.loads(out)["calibration"]["seq_len"] == 8


@pytest.mark.parametrize(
    ("settings", "arguments", "named"),
    [
        ("protocol = 'projected-output'", ("--device-map", "cpu"), "protocol"),  # no other quantity unasked
        ("windows = 2\ntolerance = 0.9", (), "windows, tolerance"),
        ("figures = 'f'", ("--shape-only",), "figures"),
    ],
)
def test_what_contradicts_itself_names_where_it_is_from(
    capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path, settings: str, arguments: tuple[str, ...],
    named: str,
) -> None:  # fmt: skip
    (tmp_path / "s.toml").write_text(f"[audit]\n{settings}\n")
    code, _, err = outcome(capsys, "--config", tmp_path / "s.toml", "audit", tiny_llama, *arguments)
    assert code == ExitCode.WRONG_USAGE and f"{named} from {tmp_path / 's.toml'}" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("[tool.shape-audit.audit]\nseq-length = 8", "unknown key seq-length; did you mean seq-len?"),
        ("[tool.shape-audit.audti]\nx = 8", "unknown key audti; did you mean audit?"),
        ("[tool.shape-audit]\naudit = 8", "is not a table"),
        ("[tool]\nshape-audit = 8", "is not a table"),
        ("[tool.shape-audit.audit]\nseq-len = 'many'", "'--seq-len'"),
        ("[tool.shape-audit.audit]\nseq-len = true", "seq-len takes a value, not true or false"),
        ("[tool.shape-audit.audit]\nshape-only = 1", "shape-only takes true or false"),
        ("[tool.shape-audit.audit]\nshape-only = ['yes']", "shape-only takes true or false"),
        ("[tool.shape-audit.audit]\nyardstick = [['morph']]", "yardstick takes a text or a number, or a list of them"),
        ("[tool.shape-audit.audit]\nyardstick = {a = 1}", "yardstick takes a text or a number, or a list of them"),
        ("[tool.shape-audit.audit]\nseq-len = [8, 9]", "'8,9' is not a whole number"),
        ("[tool", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_meant(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, settings: str, says: str
) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(settings)
    code, out, err = outcome(capsys, "--config", file, "audit", "builtin:bytes-1m", "--shape-only")
    assert code == ExitCode.WRONG_USAGE and out == "" and says in err and err.count("\n") == 1, err


def test_a_working_directory_that_is_gone_is_no_fault_of_a_model_elsewhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert outcome(capsys, "audit", "builtin:bytes-1m", "--shape-only")[0] == ExitCode.CLEAN


def test_the_traceback_is_behind_debug(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "Traceback" not in outcome(capsys, "audit", tmp_path / "gone")[2]
    code, _, err = outcome(capsys, "audit", tmp_path / "gone", "--debug")
    assert code == 2 and "Traceback" in err and err.splitlines()[-1].startswith("shape-audit: ")


def test_without_the_extra_the_shape_is_shown_and_the_extra_named(
    clean_environment: dict[str, str], tiny_llama: Path, tmp_path: Path
) -> None:
    """`sys.modules[name] = None` is how Python itself says that a module cannot be imported."""
    script = (
        "import sys; sys.modules['torch'] = None; from shape_audit.cli import main; "
        f"sys.exit(main(['audit', {str(tiny_llama)!r}]))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=clean_environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "tiny-llama is above" in done.stdout
    assert "pip install 'shape-audit[measure]'" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def long_audit(clean_environment: dict[str, str], program: Program, tiny_llama: Path, tmp_path: Path) -> LongAudit:
    """Starts an audit, as a process of its own where it stops in an import; it writes its windows to `started.jsonl`
    when it begins to measure, and its sums often."""
    (tmp_path / "text.txt").write_text("the shape of a model " * 4000)
    arguments = ["--dataset", "text.txt", "--windows", "200", "--seq-len", "32", "--micro-batch", "1", "-f", "json"]
    arguments += ["-o", "report.json", "--records", "kept", "--save-windows", "started.jsonl", "--save-every", "8"]
    command = ["audit", str(tiny_llama), *arguments]
    own = fresh([sys.executable, "-m", "shape_audit", *command], clean_environment, cwd=tmp_path)

    def start(moment: str) -> AbstractContextManager[Stopped]:
        imports = moment.startswith("import ")
        return stopping_at([moment], tmp_path, own if imports else lambda hooks: program.start(*command, hooks=hooks))

    return start


def leftovers(folder: Path) -> list[str]:
    """What an interrupted audit may not leave: half-written files, a report, a record (its partial sums may stay)."""
    half_written = [path.name for path in folder.rglob("*.tmp")]
    return half_written + [path.name for path in (*folder.glob("report.json"), *folder.glob("kept/*.json"))]


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("import shape_audit.cli.app", signal.SIGINT),
        pytest.param("import torch._C", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("import transformers.cache_utils", signal.SIGINT, marks=pytest.mark.long),
        ("os.rename started.jsonl", signal.SIGTERM),
        ("os.rename state", signal.SIGINT),
    ],
)
def test_an_interrupt_leaves_nothing_half_written(
    long_audit: LongAudit, tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    """In the middle of imports, and of writing files; it comes while the program stands at that moment."""
    with long_audit(moment) as run:
        assert run.next_moment(), run.process.communicate()
        run.process.send_signal(number)
        run.go_on()
        out, err = run.process.communicate(timeout=LONG)
    assert run.process.returncode == ExitCode.INTERRUPTED and out == "", err
    assert err.splitlines()[-1].startswith("shape-audit: interrupted") and "Traceback" not in err
    assert leftovers(tmp_path) == []


def test_before_its_first_line_a_signal_is_pythons(long_audit: LongAudit, tmp_path: Path) -> None:
    """Which dies of it."""
    with long_audit("import shape_audit") as run:
        assert run.next_moment()
        run.process.send_signal(signal.SIGTERM)
        out, _ = run.process.communicate(timeout=LONG)
    assert run.process.returncode == -signal.SIGTERM and out == "" and leftovers(tmp_path) == []


@pytest.fixture
def listening() -> Iterator[None]:
    """The program's own signal handlers, for a while."""
    from shape_audit.cli.interruption import listen

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    listen()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("listening")
def test_an_interrupt_that_a_library_swallows_stops_at_the_next_step() -> None:
    """One that meets a finaliser is printed and dropped by Python itself."""
    from shape_audit.cli.interruption import listen
    from shape_audit.cli.progress import AuditBar

    with suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    with AuditBar() as progress, pytest.raises(KeyboardInterrupt):
        progress.step("going on as if nothing had been")
    listen()
    with AuditBar() as progress:
        progress.step("a new run")


@pytest.mark.usefixtures("listening")
def test_an_interrupt_waits_for_the_end_of_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that met the compiled part of torch half-way would abort the process (seen: exit code -6)."""
    (tmp_path / "slow_to_import.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.1)\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        importlib.import_module("slow_to_import")
        time.sleep(60)
    assert sys.modules.pop("slow_to_import").whole


def test_a_reader_that_leaves_early_is_no_error(clean_environment: dict[str, str], tiny_llama: Path) -> None:
    program = f"{sys.executable} -m shape_audit"
    left_early = [
        f"{program} schema | head -n 1 > /dev/null",
        f"{program} interval | true",
        f"{program} audit {tiny_llama} --shape-only 2>&1 | head -n 1 > /dev/null",
    ]
    script = "; ".join(f"{line}; echo ${{PIPESTATUS[0]}}" for line in left_early)
    done = subprocess.run(["bash", "-c", script], env=clean_environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["0", "0", "0"] and done.stderr == ""


def test_nothing_but_the_record_is_said_where_stderr_is_no_terminal(program: Program, tiny_llama: Path) -> None:
    done = program("audit", tiny_llama, *FEW)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("record: ")


def test_a_record_folder_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    code, _, err = outcome(capsys, "audit", tiny_llama, "--shape-only", "--records", tmp_path / "taken" / "x")
    assert code == 2 and "records could not be written there (not a folder)" in err
    records = tmp_path / "records"
    model = shape_audit.audit(str(tiny_llama), shape_only=True)
    (records / record_file_name(model)).mkdir(parents=True)  # found only when the record is written
    code, out, err = outcome(capsys, "audit", tiny_llama, "--shape-only", "--records", records)
    assert code == 2 and "tiny-llama is above" in out and "the record could not be written" in err
    assert "record: " not in err


def test_closed_and_full_streams(clean_environment: dict[str, str], tiny_llama: Path, tmp_path: Path) -> None:
    audit = f"{sys.executable} -m shape_audit audit {tiny_llama} --shape-only --records {tmp_path}"

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", command], env=clean_environment, capture_output=True, text=True)

    quiet = run(f"{audit} -f json 2>&-")
    assert quiet.returncode == 0 and json.loads(quiet.stdout)["schema_version"]
    closed = run(f"{audit} >&-")
    assert closed.returncode == 2 and "stdout is closed" in closed.stderr and "Traceback" not in closed.stderr
    for command in ("--help", "schema", "interval", f"audit {tiny_llama} --shape-only --records {tmp_path}"):
        full = run(f"{sys.executable} -m shape_audit {command} > /dev/full")
        assert full.returncode == 2 and "No space left" in full.stderr, (command, full.stderr)
        assert "bug" not in full.stderr and "Exception" not in full.stderr


def test_what_is_no_regular_file_is_refused_and_not_waited_for(
    capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for arguments in (
            ("audit", tiny_llama, "--shape-only", "--interval", path),
            ("audit", tiny_llama, "--windows-file", path),
            ("interval", path),
        ):
            code, out, err = outcome(capsys, *arguments)
            assert code == 2 and out == "" and "not a regular file" in err


def test_devices_and_links_stay_what_they_are(
    capsys: pytest.CaptureFixture[str], tiny_llama: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    assert outcome(capsys, "audit", tiny_llama, "--shape-only", "-o", tmp_path / "link.txt")[0] == 0
    assert (tmp_path / "link.txt").is_symlink() and "tiny-llama" in (tmp_path / "real.txt").read_text()
    assert outcome(capsys, "audit", tiny_llama, "--shape-only", "-o", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()
    code, _, err = outcome(capsys, "audit", tiny_llama, "--shape-only", "-o", "/dev/full")
    assert code == 2 and "No space left" in err
