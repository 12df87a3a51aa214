"""Windows shared among real processes (gloo, on the CPU): the numbers of one process, whatever the number of them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

import shape_audit
from shape_audit.interaction import PROTOCOL_NAMES
from shape_audit.parallel import launch
from shape_audit.parallel.launched import LOST_CONTACT
from shape_audit.parallel.launcher import exit_code_of
from shape_audit.records import read_record
from tests.auditing.sharded_worker import joins
from tests.auditing.warm_forks import FORKS
from tests.conftest import Program
from tests.forked import Forked
from tests.moments import Start, Stopped, stopping_at
from tests.parallel.test_processes_of_run import launched
from tests.processes import LONG, left_after_end

ROOT = Path(__file__).resolve().parents[2]
FEW = ("--seq-len", "16", "--micro-batch", "2")
SMALL_DIFFERENCES = ("aofe", "cos2", "channel_alignment")
"""Numbers that are what is left of large sums, so that the rounding of these, which differs by machine, shows."""
Sharing = Callable[[list[dict[str, object]], int, Path], list[dict]]


@pytest.fixture(scope="module")
def jobs(tiny_llama: Path) -> list[dict[str, object]]:
    """All protocols with windows that two and three processes do not divide, some that they do, fewer than they are."""
    same = {"model": str(tiny_llama), "seq_len": 16, "micro_batch": 2, "device": "cpu"}
    return [
        *({**same, "protocol": name, "windows": 7} for name in PROTOCOL_NAMES),
        {**same, "windows": 2},
        {**same, "windows": 24, "use": True},
        {**same, "tolerance": 1e-4, "max_windows": 33},
    ]


def sharded(jobs: list[dict[str, object]], processes: int, folder: Path) -> list[dict]:
    """The records of a run with so many processes."""
    assert started(jobs, processes, folder) == [0] * processes
    found: list[dict] = json.loads((folder / "found.json").read_text())
    return found


def started(jobs: list[dict[str, object]], processes: int, folder: Path) -> list[int | None]:
    """The exit codes of a run with so many processes, forked and told what torchrun tells them."""
    files = folder / "jobs.json", folder / "found.json"
    files[0].write_text(json.dumps(jobs))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = {"MASTER_PORT": str(server.getsockname()[1])}
    all_of_them = [
        FORKS.Process(target=joins, args=(launched(rank, processes) | port, *map(str, files)), daemon=True)
        for rank in range(processes)
    ]
    for process in all_of_them:
        process.start()
    for process in all_of_them:
        process.join(LONG)
    return [process.exitcode for process in all_of_them]


def started_by_torchrun(jobs: list[dict[str, object]], processes: int, folder: Path) -> list[dict]:
    (folder / "jobs.json").write_text(json.dumps(jobs))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--standalone"]
    worker = ["-m", "tests.auditing.sharded_worker", str(folder / "jobs.json"), str(folder / "found.json")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*torchrun, *worker], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict] = json.loads((folder / "found.json").read_text())
    return found


def numbers(value: object, path: str = "") -> dict[str, float]:
    """Every number of a record part, by its place."""
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in numbers(part, f"{path}.{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, part in enumerate(value) for k, v in numbers(part, f"{path}[{i}]").items()}
    return {path: value} if isinstance(value, int | float) and not isinstance(value, bool) else {}


@pytest.mark.parametrize(
    ("processes", "share"), [(2, sharded), pytest.param(3, started_by_torchrun, marks=pytest.mark.long)]
)
def test_every_number_is_that_of_one_process(
    processes: int, share: Sharing, jobs: list[dict[str, object]], tmp_path: Path
) -> None:
    for job, record in zip(jobs, share(jobs, processes, tmp_path), strict=True):
        options = {key: value for key, value in job.items() if key != "model"}
        alone = shape_audit.audit(str(job["model"]), **options).model_dump(mode="json")
        assert record["environment"]["world_size"] == processes
        assert record["calibration"] == alone["calibration"] and record["notes"] == alone["notes"]
        for part in ("loss", "interaction", "use"):
            expected, found = numbers(alone[part]), numbers(record[part])
            assert expected.keys() == found.keys()
            for place, value in expected.items():
                near = 1e-6 if any(name in place for name in SMALL_DIFFERENCES) else 0
                close = 1e-5 if "_ci" in place else 1e-6  # ends of wide intervals on the log scale amplify rounding
                assert found[place] == pytest.approx(value, rel=close, abs=near), (job, place)


def resumable(model: Path, **more: object) -> dict[str, object]:
    """A job that saves what it has often."""
    same = {"model": str(model), "seq_len": 16, "micro_batch": 2, "device": "cpu", "passage_bytes": 64}
    return {**same, "windows": 27, "save_every": 8, "use": True, **more}


def found_by(records: list[dict]) -> list[dict]:
    assert not [note for record in records for note in record["notes"] if "partial" in note]
    return [{k: v for k, v in record.items() if k not in ("record_sha256", "environment")} for record in records]


def test_processes_that_were_killed_go_on_to_the_same_record_bit_for_bit(tiny_llama: Path, tmp_path: Path) -> None:
    """Another number of processes starts over, and says so."""
    straight, killed = resumable(tiny_llama), resumable(tiny_llama, partial=str(tmp_path / "killed"))
    died = started([{**killed, "kill_at": 18}], 2, tmp_path)
    assert 0 not in died and -signal.SIGKILL in died
    assert list((tmp_path / "killed").glob("*/state.16.1.safetensors"))
    found = found_by(sharded([straight, killed], 2, tmp_path))
    assert found[0] == found[1]
    alone = shape_audit.audit(**{**killed, "partial": tmp_path / "killed"})
    assert "saved partial results were not used: processes was 2, is 1" in alone.notes


@pytest.mark.long
def test_processes_with_more_windows_go_on_from_fewer_to_the_same_record(tiny_llama: Path, tmp_path: Path) -> None:
    """Also where gradients are held, and no sums of them."""
    straight = resumable(tiny_llama, windows=75)
    longer = {**straight, "partial": str(tmp_path / "longer")}
    inputs = {**straight, "use": False, "protocol": "input-simplex"}
    more_inputs = {**inputs, "partial": str(tmp_path / "inputs")}
    sharded([{**longer, "windows": 22}, {**more_inputs, "windows": 22}], 2, tmp_path)
    found = found_by(sharded([straight, longer, inputs, more_inputs], 2, tmp_path))
    assert found[0] == found[1] and found[2] == found[3]


@pytest.mark.long
def test_a_failing_process_ends_the_run_and_is_named(program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    """Of two processes with one window each, the second gets the window whose byte has a damaged embedding."""
    shape_audit.audit(str(tiny_llama), windows=8, seq_len=16, save_windows=tmp_path / "w.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "w.jsonl").read_text().splitlines()]
    lines[2]["input_ids"][3] = 255
    (tmp_path / "w.jsonl").write_text("\n".join(map(json.dumps, lines)))
    model = tmp_path / "damaged"
    model.mkdir()
    for file in tiny_llama.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    weights = load_file(model / "model.safetensors")
    weights["model.embed_tokens.weight"][255] = torch.nan
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    done = program("audit", model, "--windows-file", tmp_path / "w.jsonl", "--micro-batch", "1", "--num-processes", "2")
    assert done.returncode == 2 and done.stdout == ""
    assert "process 1 of 2: " in done.stderr and "logits hold NaN or infinity, from site embedding on" in done.stderr


def ends_as_launched(arguments: list[str]) -> NoReturn:
    sys.exit(launch(arguments, 2))


def test_a_command_that_ends_well_in_all_processes_ends_well() -> None:
    launcher = FORKS.Process(target=ends_as_launched, args=(["--version"],))
    launcher.start()
    launcher.join(LONG)
    assert launcher.exitcode == 0


def test_what_all_processes_would_say_is_said_once(program: Program, tmp_path: Path) -> None:
    done = program("audit", tmp_path / "gone", "--num-processes", "2")
    assert done.returncode == 2 and done.stderr.count("no such folder") == 1 and "Traceback" not in done.stderr


def test_another_number_of_processes_than_asked_for_is_refused(program: Program, tiny_llama: Path) -> None:
    done = program("audit", tiny_llama, "--num-processes", "3", **launched(0, 2))
    assert done.returncode == 4 and "--num-processes 3: the launcher has started 2" in done.stderr
    assert program("audit", tiny_llama, "--num-processes", "0").returncode == 4


@pytest.fixture
def long_run(program: Program, tiny_llama: Path, tmp_path: Path) -> Iterator[Stopped]:
    def start(hooks: Mapping[str, str]) -> Forked:
        return program.start(*two_models(tiny_llama, tmp_path), hooks=hooks)

    with at_the_second_model(start, tmp_path) as run:
        yield run


def two_models(first: Path, folder: Path) -> list[str]:
    """An audit of both by two processes, which save their sums when they have half of the windows."""
    options = ("--windows", "16", *FEW, "--save-every", "8", "--num-processes", "2", "--records", str(folder))
    return ["audit", str(first), "builtin:bytes-1m", *options]


@contextmanager
def at_the_second_model(start: Start, folder: Path) -> Iterator[Stopped]:
    """A launcher whose first process has written the record of the first model and stops as it is about to save sums of
    the second. The other one waits for it, so that nothing goes on before the test does."""
    with stopping_at(["os.rename /.tiny-llama__", "os.rename builtin-bytes-1m__"], folder, start) as run:
        assert run.next_moment(), run.process.communicate()
        run.go_on()
        assert run.next_moment(), run.process.communicate()
        yield run


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, *(pytest.param(one, marks=pytest.mark.long) for one in (signal.SIGTERM, signal.SIGKILL))]
)
def test_the_plain_command_starts_them_itself_and_however_it_ends_they_end_too(
    long_run: Stopped, number: signal.Signals, tiny_llama: Path, tmp_path: Path
) -> None:
    launcher = long_run.process
    children = children_of(launcher.pid)
    assert len(children) == 2
    launcher.send_signal(number)
    shown, said = launcher.communicate(timeout=LONG)
    assert not left_after_end(children)
    (file,) = tmp_path.glob("*.json")
    if number == signal.SIGKILL:
        assert launcher.returncode == -signal.SIGKILL and shown == said == ""
    else:
        assert launcher.returncode == 130 and shown.count("Side by side") == 1 and "tiny-llama: " in shown
        record, interrupted = said.splitlines()
        assert record == f"record: {file}" and interrupted.startswith("shape-audit: interrupted")
    found, alone = read_record(file), shape_audit.audit(str(tiny_llama), windows=16, seq_len=16, micro_batch=2)
    assert found.environment.world_size == 2 and found.interaction and alone.interaction
    for site, expected in zip(found.interaction.sites, alone.interaction.sites, strict=True):
        assert site.aofe_ratio_plugin == pytest.approx(expected.aofe_ratio_plugin, rel=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_is_named(long_run: Stopped, rank: int) -> None:
    os.kill(children_of(long_run.process.pid)[rank], signal.SIGKILL)
    long_run.go_on()
    shown, said = long_run.process.communicate(timeout=LONG)
    assert long_run.process.returncode == 128 + signal.SIGKILL
    assert ("Side by side" in shown) == (rank == 1), "what is finished is shown by the first process, if any"
    *records, last = said.splitlines()
    assert last == f"shape-audit: process {rank} of 2: ended by signal 9" and len(records) == rank


@pytest.mark.long
def test_a_run_of_tests_that_is_killed_leaves_no_process_behind(
    clean_environment: dict[str, str], tiny_llama: Path, tmp_path: Path
) -> None:
    """The launcher, started as here, is killed with whoever started it, and its processes end with the launcher."""
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from tests.auditing.test_processes import at_the_second_model, children_of, two_models\n"
        "from tests.moments import fresh\n"
        "model, folder = map(Path, sys.argv[1:])\n"
        "command = [sys.executable, '-m', 'shape_audit', *two_models(model, folder)]\n"
        "with at_the_second_model(fresh(command, os.environ), folder) as run:\n"
        "    print(run.process.pid, *children_of(run.process.pid), flush=True)\n    run.process.wait()\n"
    )
    command = [sys.executable, "-c", script, str(tiny_llama), str(tmp_path)]
    with subprocess.Popen(command, env=clean_environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout
        started = [int(process) for process in tests.stdout.readline().split()]
        tests.kill()
    assert len(started) == 3 and not left_after_end(started)


@pytest.mark.parametrize(
    ("codes", "code", "said"),
    [
        ({1: 3, 0: LOST_CONTACT}, 3, "process 1 of 3: the reason"),
        ({0: LOST_CONTACT, 1: 3, 2: 130}, 3, "process 1 of 3: the reason"),
        ({0: LOST_CONTACT, 2: 130, 1: -15}, 2, "lost contact with each other"),
        ({0: LOST_CONTACT, 1: -9}, 137, "process 1 of 3: ended by signal 9"),
        ({1: 3, 0: 3}, 3, ""),
        ({1: 130, 0: 130}, 130, ""),
        ({2: -9, 0: 130, 1: -6}, 137, "process 2 of 3: ended by signal 9"),
    ],
)
def test_the_cause_is_the_first_that_failed_for_a_reason_of_its_own(
    codes: dict[int, int], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in (1, 2):
        file = tmp_path / "run" / "attempt_0" / str(rank) / "stderr.log"
        file.parent.mkdir(parents=True)
        file.write_text("a warning\nshape-audit: the reason\n")
    failures = {rank: ProcessFailure(rank, 1, exitcode, "") for rank, exitcode in codes.items()}
    assert exit_code_of(failures, 3, tmp_path) == code
    shown = capsys.readouterr().err
    assert shown.count("\n") == bool(said) and said in shown
