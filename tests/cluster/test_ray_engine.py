"""The engine on a cluster of this machine: what fails by itself, what is lost, what waits, what comes back."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="the extra cluster is not installed")

from benchmarks.local_ray import started
from shape_audit.cluster import ClusterOptions, Finished, RayEngine, Resources, SilentCluster, Standing, Task
from shape_audit.errors import IncompleteError, NotAuditableError, TooLittleMemoryError
from tests.cluster.stand_ins import Counts, Dies, HasABug, HoldsGpu, Meets, Refuses, StandIn, StaysOn, WantsMemory

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("connected")]  # a cluster takes a minute to start


class Watching(SilentCluster):
    """Remembers where the run was, and does something when it has come somewhere."""

    def __init__(self, then: Callable[[Standing], None] = lambda now: None) -> None:
        self.seen: list[Standing] = []
        self._then = then

    def standing(self, now: Standing) -> None:
        self.seen.append(now)
        self._then(now)


def run(tasks: Sequence[Task], progress: Watching | None = None, **how: Any) -> dict[str, Finished]:
    engine = RayEngine(ClusterOptions(engine="ray"), **how)
    finished = list(engine.run(tasks, len(tasks), progress or Watching()))
    assert sorted(one.task.name for one in finished) == sorted(task.name for task in tasks)
    return {one.task.name: one for one in finished}


def attempts(folder: Path, name: str) -> int:
    return len((folder / name).read_text().split())


def test_what_fails_by_itself_is_not_tried_again_and_what_was_lost_is(tmp_path: Path) -> None:
    progress = Watching()
    found = run([
        StandIn("plain", tmp_path), Refuses("refuses", tmp_path), HasABug("bug", tmp_path), Dies("dies once", tmp_path),
        Dies("dies always", tmp_path, times=99), WantsMemory("large", tmp_path),
        WantsMemory("too large", tmp_path, can_be_light=False),
    ], progress)  # fmt: skip
    assert found["plain"].answer.value == 1 and found["plain"].answer.files == {"deep/file.txt": b"plain"}
    assert found["dies once"].answer.value == 2
    assert found["large"].answer.value == 2
    assert {name: (type(one.error), str(one.error)) for name, one in found.items() if one.error} == {
        "refuses": (NotAuditableError, "refuses: nothing there"),
        "bug": (IncompleteError, "bug: unexpected KeyError: 'bug'"),
        "dies always": (
            IncompleteError,
            "dies always: its worker was killed, as happens where memory runs out, 3 times by now; given up",
        ),
        "too large": (IncompleteError, "too large: too little memory"),
    }
    counts = {name: attempts(tmp_path, name) for name in found}
    assert counts == {"plain": 1, "refuses": 1, "bug": 1, "dies once": 2, "dies always": 3, "large": 2, "too large": 1}
    last = progress.seen[-1]
    assert (last.done, last.running, last.waiting, last.retried) == (7, 0, 0, 4)
    assert issubclass(TooLittleMemoryError, IncompleteError)


def test_what_a_dead_worker_has_sent_is_given_to_the_next(tmp_path: Path) -> None:
    found = run([Counts("counts", tmp_path)], ship_seconds=0.05)
    assert found["counts"].answer.value == "I" and attempts(tmp_path, "counts") == 2


def test_gpus_are_given_to_as_many_as_have_room(tmp_path: Path) -> None:
    whole, half = Resources(gpus=1, cpus=0.1), Resources(gpus=0.5, cpus=0.1)
    progress = Watching()
    found = run([HoldsGpu(f"whole {k}", tmp_path, whole) for k in range(5)], progress)
    held = [one.answer.value for one in found.values()]
    assert {gpu for gpu, _, _ in held} == {"0", "1"}
    for gpu, began, ended in held:
        others = [one for one in held if one[0] == gpu and one[1] != began]
        assert all(end <= began or ended <= start for _, start, end in others)
    assert progress.seen[-1].gpu_seconds > 0
    found = run([Meets(f"half {k}", tmp_path, half, together=4) for k in range(4)])
    assert sorted(one.answer.value for one in found.values()) == ["0", "0", "1", "1"]


def test_a_task_goes_on_elsewhere_when_its_machine_is_lost(ray_cluster: Any, tmp_path: Path) -> None:
    lost = started(ray_cluster, num_cpus=2)
    first: dict[str, str] = {}

    def remove(now: Standing) -> None:
        places = {path.stem: path.read_text() for path in tmp_path.glob("*.on")}
        if not first and len(set(places.values())) == 3:  # each fills one of the three nodes
            first.update(places)
            ray_cluster.remove_node(lost)
            (tmp_path / "let go").touch()

    tasks = [StaysOn(f"task{k}", tmp_path, Resources(cpus=2)) for k in range(3)]
    found = run(tasks, Watching(remove))
    assert set(found) == set(first)
    for name, one in found.items():
        was_lost = first[name] == lost.node_id
        assert attempts(tmp_path, name) == 1 + was_lost and (one.answer.value != first[name]) == was_lost


def test_workers_of_other_versions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"a worker of the cluster has torch \S+; the driver has torch 0.1"):
        run([StandIn("plain", tmp_path)], versions={"torch": "0.1"})
    assert not (tmp_path / "plain").exists()
