"""What becomes of a task whose attempt was lost, decided without a cluster."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from shape_audit.auditing import AuditOptions
from shape_audit.cluster import AuditTask
from shape_audit.cluster.losses import Loss, next_attempt
from shape_audit.cluster.versions import difference, versions_here
from tests.cluster.stand_ins import StandIn, WantsMemory


@dataclass(frozen=True)
class Case:
    loss: Loss
    goes_on: list[str | None]
    """Attempt by attempt: the same, lighter, None where it is given up."""


@pytest.mark.parametrize(
    "case",
    [
        Case(Loss.MACHINE, ["same"] * 10 + [None]),
        Case(Loss.WORKER, ["same", "lighter", None]),
        Case(Loss.MEMORY, ["lighter", "lighter", None]),
    ],
)
def test_each_kind_of_loss_has_its_own_way_on(case: Case, tmp_path: Path) -> None:
    task = WantsMemory("task", tmp_path)
    for times, expected in enumerate(case.goes_on, start=1):
        found = next_attempt(task, case.loss, times)
        assert found == {"same": task, "lighter": task.lighter(), None: None}[expected]


def test_what_cannot_be_lighter_is_tried_again_as_it_is_unless_it_lacks_memory(tmp_path: Path) -> None:
    task = StandIn("task", tmp_path)
    assert next_attempt(task, Loss.WORKER, 2) == task
    assert next_attempt(task, Loss.MEMORY, 1) is None


def test_an_audit_becomes_lighter_window_by_window_then_from_the_disk() -> None:
    def ways(**options: object) -> list[tuple[int | None, str | None]]:
        task, found = AuditTask("org/name", AuditOptions.of(**options)), []
        while (lighter := task.lighter()) is not None:
            assert isinstance(lighter, AuditTask)
            task = lighter
            found.append((task.options.load.micro_batch, task.options.load.device_map))
        return found

    assert ways() == [(1, None), (1, "disk")]
    assert ways(micro_batch=1) == [(1, "disk")]
    assert ways(nfa=True) == [(1, None)], "its re-initialised model cannot come from the disk"
    assert ways(micro_batch=1, device_map="disk") == []


def test_versions_differ_in_words() -> None:
    here = versions_here()
    assert difference(here, here) is None and "+" not in "".join(filter(None, here.values()))
    there = {**here, "torch": "2.0.0", "transformers": None}
    assert difference(there, here) == (
        f"torch 2.0.0, transformers is missing; the driver has torch {here['torch']}, "
        f"transformers {here['transformers']}"
    )
