"""What a model asks of a cluster: by its memory plan, and never more than any machine has."""

import pytest

from shape_audit.cluster import ClusterRoom, Resources
from shape_audit.cluster.room import CUDA_BYTES, GPU_SHARE, HOST_BYTES, Node
from shape_audit.models import DeviceMemory, MemoryPlan

GIB = 2**30
EIGHT_GPUS = Node(gpus=8, cpus=128, memory=1024 * GIB)


def plan(device: str, gibibytes: float) -> MemoryPlan:
    memory = DeviceMemory(device, weights=int(gibibytes * GIB))
    return MemoryPlan("org/name", "bfloat16", 256, 16, False, (memory,))


@pytest.mark.parametrize(
    ("gibibytes", "gpus"), [(0.3, 1 / 8), (8, 1 / 8), (10, 1 / 4), (30, 1 / 2), (60, 1), (72, 2), (150, 3), (9999, 8)]
)
def test_small_models_share_a_gpu_and_large_ones_get_several(gibibytes: float, gpus: float) -> None:
    room = ClusterRoom([EIGHT_GPUS], gpu_bytes=80 * GIB)
    asked = room.on_gpus(plan("cuda:0", gibibytes))
    assert asked.gpus == gpus
    if gpus < 1:  # so many together have room, each with what CUDA itself takes
        assert (1 / gpus) * (gibibytes * GIB + CUDA_BYTES) <= GPU_SHARE * 80 * GIB


def test_without_a_plan_or_a_known_memory_a_model_gets_a_gpu_of_its_own() -> None:
    assert ClusterRoom([EIGHT_GPUS], gpu_bytes=80 * GIB).on_gpus().gpus == 1
    assert ClusterRoom([EIGHT_GPUS]).on_gpus(plan("cuda:0", 1)).gpus == 1


def test_a_task_beside_a_gpu_takes_no_more_than_its_share_of_the_machine() -> None:
    poor = Node(gpus=8, cpus=4, memory=16 * GIB)
    room = ClusterRoom([poor], gpu_bytes=80 * GIB)
    assert room.on_gpus(plan("cuda:0", 60)) == Resources(gpus=1, cpus=0.5, memory=2 * GIB)
    assert room.on_gpus(plan("cuda:0", 1)) == Resources(gpus=1 / 8, cpus=1 / 16, memory=GIB // 4)
    assert ClusterRoom([EIGHT_GPUS]).on_gpus() == Resources(gpus=1, cpus=1, memory=HOST_BYTES)


def test_on_cpus_memory_is_the_plans_and_nothing_is_asked_that_no_machine_has() -> None:
    nodes = [Node(gpus=0, cpus=2, memory=8 * GIB), Node(gpus=0, cpus=16, memory=64 * GIB)]
    room = ClusterRoom(nodes)
    assert room.on_cpus(plan("cpu", 5)) == Resources(cpus=4, memory=5 * GIB)
    assert room.on_cpus(plan("cpu", 100)).memory == 64 * GIB
    assert ClusterRoom(nodes[:1]).on_cpus().cpus == 2
    assert ClusterRoom(nodes, task_cpus=8).on_cpus().threads == 8
    assert ClusterRoom().on_cpus(plan("cpu", 100)) == Resources(cpus=4, memory=100 * GIB), "machines may yet be started"
