"""What a cluster has, and what a model asks of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shape_audit.models import MemoryPlan

GPU_SHARE = 0.9
"""Of a GPU's memory that is given out: allocators leave gaps."""
CUDA_BYTES = 2**30
"""What CUDA and its libraries take of a GPU in each process."""
MOST_ON_A_GPU = 8
HOST_BYTES = 4 * 2**30
"""Of CPU memory, beside a GPU: interpreter, libraries, pages of weight files on their way."""
CPUS_OF_A_MODEL = 4
"""Where it is measured on CPUs: more of them on one model are worth less than more models at once."""


@dataclass(frozen=True)
class Resources:
    """What a task asks for.

    Attributes:
        gpus: a fraction of one, or so many whole ones.
        memory: bytes of CPU memory.
    """

    gpus: float = 0.0
    cpus: float = 1.0
    memory: int = 0

    @property
    def threads(self) -> int:
        return max(1, math.floor(self.cpus))


@dataclass(frozen=True)
class Node:
    """One machine of a cluster: its GPUs, CPUs and bytes of CPU memory, whether taken or not."""

    gpus: float
    cpus: float
    memory: float


@dataclass(frozen=True)
class ClusterRoom:
    """What a cluster has to give to one task.

    Attributes:
        nodes: those there are; there may be none yet where machines are started on demand.
        gpu_bytes: memory of one GPU; None where it is not known.
        task_cpus: CPUs of a task, where the user says so.
    """

    nodes: Sequence[Node] = ()
    gpu_bytes: int | None = None
    task_cpus: int | None = None

    @property
    def has_gpus(self) -> bool:
        return any(node.gpus >= 1 for node in self.nodes)

    def on_cpus(self, plan: MemoryPlan | None = None) -> Resources:
        """For a model that is computed on CPUs; without a plan, for one of which nothing is known."""
        cpus = float(self.task_cpus or CPUS_OF_A_MODEL)
        memory = 0 if plan is None else sum(device.needed for device in plan.devices if device.device == "cpu")
        most = max(self.nodes, key=lambda node: (node.memory, node.cpus), default=None)
        if most is None:
            return Resources(cpus=cpus, memory=memory)
        # what no machine has would wait for ever: the worker sees for itself what it has, and says so
        return Resources(cpus=max(1.0, min(cpus, most.cpus)), memory=int(min(memory, most.memory)))

    def on_gpus(self, plan: MemoryPlan | None = None) -> Resources:
        """For a model that is computed on GPUs: on a part of one where it is small, on several where it is large."""
        node = max(self.nodes, key=lambda node: (node.gpus, node.cpus), default=None)
        gpus = self._gpus(plan, node.gpus if node else None)
        cpus, memory = float(self.task_cpus or 1), float(HOST_BYTES)
        if node is None:
            return Resources(gpus, cpus, int(memory))
        share = min(1.0, gpus / node.gpus)  # a task that takes more than its share leaves GPUs idle
        return Resources(gpus, min(cpus, share * node.cpus), int(min(memory, share * node.memory)))

    def _gpus(self, plan: MemoryPlan | None, most: float | None) -> float:
        if plan is None or self.gpu_bytes is None:
            return 1.0
        needed = CUDA_BYTES + sum(device.needed for device in plan.devices if device.device.startswith("cuda"))
        usable = GPU_SHARE * self.gpu_bytes
        if needed > usable:
            several = math.ceil((needed - CUDA_BYTES) / (usable - CUDA_BYTES))
            return float(several if most is None else max(1, min(several, int(most))))
        together = min(MOST_ON_A_GPU, int(usable // needed))
        return 1.0 / 2.0 ** int(math.log2(together))  # 1/8, 1/4, 1/2, 1: these fill a GPU
