"""Which processes share a run: what launchers set, and what is left over from something else."""

from pathlib import Path

import pytest

import shape_audit
from shape_audit.parallel import ProcessGroup, SingleProcess, processes_of_run


def launched(rank: int, size: int) -> dict[str, str]:
    """What torchrun, accelerate launch and `--num-processes` tell a process."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    return {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank), **where}


def test_a_launcher_sets_all_variables() -> None:
    found = processes_of_run(launched(1, 3))
    assert isinstance(found, ProcessGroup) and (found.rank, found.size, found.local_rank) == (1, 3, 1)
    assert not found.is_first and processes_of_run(launched(0, 3)).is_first
    alone = processes_of_run(launched(0, 1))
    assert type(alone) is SingleProcess and alone.note is None
    assert processes_of_run({}).note is None


@pytest.mark.parametrize("missing", ["RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_what_no_launcher_has_set_is_not_believed(missing: str) -> None:
    stray = launched(1, 4)
    del stray[missing]
    found = processes_of_run(stray)
    assert type(found) is SingleProcess and found.is_first
    assert found.note and f"WORLD_SIZE=4 is set without {missing}" in found.note
    assert processes_of_run({"WORLD_SIZE": "four", "RANK": "1"}).size == 1
    assert processes_of_run(launched(5, 4)).size == 1


def test_stray_variables_do_not_swallow_the_record(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "1")
    with pytest.warns(UserWarning, match="no launcher did that"):
        shape_audit.audit(tiny_llama, shape_only=True, records=str(tmp_path / "records"))
    assert len(list((tmp_path / "records").glob("*.json"))) == 1
