"""Runs that are killed go on: SIGKILL at any moment, full disks, damaged files, two runs at once."""

import json
import os
import resource
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.auditing.partial_results import DAMAGED, STATE, PartialResults
from shape_audit.auditing.progress import Silent
from shape_audit.errors import IncompleteError
from shape_audit.records import FolderLock
from tests.auditing.warm_forks import FORKS
from tests.findings import findings

LONG: dict[str, Any] = {"windows": 44, "use": True, "seq_len": 16, "passage_bytes": 64, "micro_batch": 3,
                        "device": "cpu", "save_every": 9}  # fmt: skip


def numbers_of(record: shape_audit.AuditRecord) -> dict[str, Any]:
    return record.model_dump(exclude={"environment", "record_sha256", "notes"})


class Telling(Silent):
    """Sends a message whenever windows are done."""

    def __init__(self, listener: Connection) -> None:
        self.listener = listener

    def windows(self, done: int, total: int, tokens: int) -> None:
        self.listener.send(done)


def run(
    model: str, partial: str, output: str, limit: int | None, changes: dict[str, Any], listener: Connection
) -> None:
    """An audit in a process of its own, which may be killed."""
    import torch

    torch.set_num_threads(1)
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        record = shape_audit.audit(model, partial=Path(partial), progress=Telling(listener), **{**LONG, **changes})
        Path(output).write_text(record.model_dump_json(by_alias=True))
    except IncompleteError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(2)


def start(model: Path, folder: Path, limit: int | None = None, **changes: Any) -> tuple[Any, Connection]:
    """The process, and what it says after every round, to be kept as long as that runs."""
    ours, its = FORKS.Pipe(duplex=False)
    arguments = (str(model), str(folder / "partial"), str(folder / "record.json"), limit, changes, its)
    process = FORKS.Process(target=run, args=arguments)
    process.start()
    its.close()
    return process, ours


def kill_after(rounds: int, process: Any, said: Connection) -> None:
    """Kill a process at whatever it is doing once so many rounds are done; one that is through has ended by itself."""
    with suppress(EOFError):
        for _ in range(rounds):
            said.recv()
    process.kill()
    process.join()


def finished(model: Path, folder: Path, **changes: Any) -> shape_audit.AuditRecord:
    process, _said = start(model, folder, **changes)
    process.join(120)
    assert process.exitcode == 0
    return shape_audit.AuditRecord.model_validate_json((folder / "record.json").read_text())


def saved_windows(folder: Path) -> int:
    from safetensors import safe_open

    files = list((folder / "partial").glob(f"*/{STATE}"))
    if not files:
        return 0
    with safe_open(files[0], "pt") as stream:
        windows: int = json.loads(stream.metadata()["saved"])["numbers"]["windows"]
    return windows


@pytest.fixture(scope="module")
def straight(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> shape_audit.AuditRecord:
    return finished(tiny_llama, tmp_path_factory.mktemp("straight"))


def test_killed_again_and_again_the_run_ends_in_the_same_record_bit_for_bit(
    tiny_llama: Path, tmp_path: Path, straight: shape_audit.AuditRecord
) -> None:
    """After so many rounds it has told of: before any was saved, after some, and twice where nothing was added."""
    seen = []
    for rounds in (0, 7, 1, 9, 4):
        kill_after(rounds, *start(tiny_llama, tmp_path))
        seen.append(saved_windows(tmp_path))
    assert seen == sorted(seen) and seen[-1] > 0  # nothing that was saved is lost again
    record = finished(tiny_llama, tmp_path)
    assert numbers_of(record) == numbers_of(straight) and findings(record) == findings(straight)


def test_a_run_with_more_windows_extends_one_with_fewer(
    tiny_llama: Path, tmp_path: Path, straight: shape_audit.AuditRecord
) -> None:
    finished(tiny_llama, tmp_path, windows=30)
    before = saved_windows(tmp_path)
    assert 21 <= before <= 30
    assert numbers_of(finished(tiny_llama, tmp_path)) == numbers_of(straight)
    kept = saved_windows(tmp_path)
    assert kept > before
    finished(tiny_llama, tmp_path, windows=20)
    assert saved_windows(tmp_path) == kept  # a smaller run throws nothing away


def test_a_full_disk_while_saving_costs_nothing_that_is_measured(
    tiny_llama: Path, tmp_path: Path, straight: shape_audit.AuditRecord
) -> None:
    finished(tiny_llama, tmp_path, windows=32)
    size = next((tmp_path / "partial").glob(f"*/{STATE}")).stat().st_size
    before = saved_windows(tmp_path)
    process, _said = start(tiny_llama, tmp_path, limit=size)
    process.join(60)
    assert process.exitcode == 0 and saved_windows(tmp_path) == before
    record = shape_audit.AuditRecord.model_validate_json((tmp_path / "record.json").read_text())
    assert numbers_of(record) == numbers_of(straight)
    assert any("partial results could not be saved" in note for note in record.notes)
    assert numbers_of(finished(tiny_llama, tmp_path)) == numbers_of(straight)


@pytest.mark.parametrize(
    "damage", ["truncated", *(pytest.param(one, marks=pytest.mark.long) for one in ("garbage", "empty"))]
)
def test_damaged_partial_results_are_set_aside(
    tiny_llama: Path, tmp_path: Path, straight: shape_audit.AuditRecord, damage: str
) -> None:
    finished(tiny_llama, tmp_path, windows=32)
    (state,) = (tmp_path / "partial").glob(f"*/{STATE}")
    content = state.read_bytes()
    state.write_bytes({"truncated": content[: len(content) // 2], "garbage": b"x" * 1000, "empty": b""}[damage])
    record = finished(tiny_llama, tmp_path)
    assert numbers_of(record) == numbers_of(straight)
    assert any("partial results were damaged; set aside" in note for note in record.notes)
    assert (state.parent / DAMAGED).exists()


def test_partial_results_of_other_settings_are_not_used_and_the_difference_is_named(
    tiny_llama: Path, tmp_path: Path
) -> None:
    finished(tiny_llama, tmp_path, windows=20)
    record = finished(tiny_llama, tmp_path, windows=24, micro_batch=4)
    assert "saved partial results were not used: micro-batch was 3, is 4" in record.notes
    assert not any("partial" in note for note in finished(tiny_llama, tmp_path, windows=28, micro_batch=4).notes)
    again = finished(tiny_llama, tmp_path, windows=28, micro_batch=4, resume=False)
    assert not any("partial" in note for note in again.notes)


def test_two_runs_of_the_same_audit_do_not_meet(tiny_llama: Path, tmp_path: Path) -> None:
    finished(tiny_llama, tmp_path, windows=32)
    (folder,) = (tmp_path / "partial").iterdir()
    holder = FolderLock(folder, what="this audit", option="--records")
    holder.lock()
    try:
        with pytest.raises(IncompleteError, match=rf"another run of this audit is at work \(process {os.getpid()} on "):
            shape_audit.audit(str(tiny_llama), partial=tmp_path / "partial", **{**LONG, "windows": 32})
    finally:
        holder.unlock()
    assert shape_audit.audit(str(tiny_llama), partial=tmp_path / "partial", **{**LONG, "windows": 32}).interaction


@pytest.mark.long
def test_a_tolerance_run_resumes_its_own_checkpoints(tiny_llama: Path, tmp_path: Path) -> None:
    changes = {"windows": None, "tolerance": 0.02, "max_windows": 300}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    straight = finished(tiny_llama, tmp_path / "a", **changes)
    for _ in range(2):
        kill_after(9, *start(tiny_llama, tmp_path / "b", **changes))
    assert numbers_of(finished(tiny_llama, tmp_path / "b", **changes)) == numbers_of(straight)


def block_rows(windows: int) -> Any:
    """Of one block."""
    import torch

    from shape_audit.interaction.estimators.block_rows import AMOUNTS, BlockRows

    index_K = torch.arange(windows)
    return BlockRows(index_K, torch.full_like(index_K, 3), torch.zeros(windows, 1, 2, AMOUNTS, dtype=torch.float64))


def test_restored_sums_lie_in_memory_as_fresh_ones_do(tmp_path: Path) -> None:
    """Or a matrix-vector product rounds another way, and a resumed run differs in the last bit."""
    import torch

    from shape_audit.interaction import PassState, Site
    from shape_audit.interaction.estimators.sums import SiteSums

    site = Site(0)
    sums = SiteSums.zeros(5, dtype=torch.float32, device=torch.device("cpu"))
    sums.add(torch.randn(4, 3, 5), 0)
    sums.freeze()
    offsets = set()
    for length in range(1, 65, 8):  # the header's length decides where tensors lie
        partial = PartialResults(tmp_path / str(length), {"padding": "x" * length})
        partial.folder.mkdir()
        partial.save(PassState(4, 4, torch.zeros(4, dtype=torch.float64), {site: sums}, block_rows(4)), 4)
        size = int.from_bytes((partial.folder / STATE).read_bytes()[:8], "little")
        offsets.add((size + 8) % 64)
        state, note = partial.load({site: 5})
        assert state is not None and note is None
        restored = state.sums[site]
        tensors = [restored.upper_P, restored.reference_P, state.losses_K]
        assert [tensor.data_ptr() % 64 for tensor in tensors if tensor is not None] == [0, 0, 0]
    assert len(offsets) > 1


def test_of_several_processes_only_sums_that_belong_together_are_used(tmp_path: Path) -> None:
    """A kill between the saving of one process and of another leaves what both have saved before."""
    import torch

    from shape_audit.interaction import PassState, Site
    from shape_audit.interaction.estimators.sums import SiteSums

    first, second = (PartialResults(tmp_path, {"processes": 2}, rank, 2) for rank in range(2))

    def state(windows: int) -> PassState:
        sums = SiteSums.zeros(5, dtype=torch.float32, device=torch.device("cpu"))
        return PassState(windows, 0, torch.zeros(0, dtype=torch.float64), {Site(0): sums}, block_rows(0))

    for process in (second, first):
        process.save(state(4), 1)
    second.save(state(8), 1)
    assert first.saved_windows() == second.saved_windows() == 4
    for process in (first, second):
        found, note = process.load({Site(0): 5}, 4)
        assert found is not None and found.windows == 4 and note is None
    first.save(state(8), 1)
    second.forget_all_but(8)
    second.save(state(12), 1)  # before the first has forgotten
    PartialResults(tmp_path, {"processes": 3}, 2, 3).save(state(4), 1)  # as an earlier run of three has left it
    first.forget_all_but(8)
    kept = ["state.12.1.safetensors", "state.8.1.safetensors", STATE]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    (tmp_path / "state.8.1.safetensors").unlink()
    assert second.load({Site(0): 5}, 8) == (None, "the partial results of process 1 are missing; started over")


def test_a_run_goes_on_though_another_micro_batch_would_fit_now(tiny_llama: Path, tmp_path: Path) -> None:
    """Its own is taken where there is memory for it, else a smaller one: the same numbers up to rounding."""
    from shape_audit.models import memory_estimate

    (tmp_path / "a").mkdir()
    straight = finished(tiny_llama, tmp_path / "a", micro_batch=None, windows=24)
    partial = tmp_path / "b" / "partial"
    how = {**LONG, "micro_batch": None, "partial": partial}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_estimate, "MAX_MICRO_BATCH", 5)
        shape_audit.audit(str(tiny_llama), **{**how, "windows": 16})
    again = shape_audit.audit(str(tiny_llama), **{**how, "windows": 24})
    assert again.environment.micro_batch == 5 and straight.environment.micro_batch == 16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_estimate, "MAX_MICRO_BATCH", 2)
        smaller = shape_audit.audit(str(tiny_llama), **{**how, "windows": 30})
    assert smaller.environment.micro_batch == 2
    for record in (again, smaller):
        assert not any("partial" in note for note in record.notes)
    assert again.interaction and straight.interaction
    for site, expected in zip(again.interaction.sites, straight.interaction.sites, strict=True):
        assert site.aofe_plugin == pytest.approx(expected.aofe_plugin, rel=1e-5)
