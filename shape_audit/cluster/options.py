"""Which engine runs many models, and what it is told of the machines it runs them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from shape_audit.errors import UsageError
from shape_audit.models import parse_max_memory
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class ClusterOptions(Spec):
    """How models are shared out among machines."""

    engine: Annotated[
        Literal["processes", "ray"],
        Option("This machine's processes, or a Ray cluster.", panel="Cluster"),
    ] = "processes"
    ray_address: Annotated[
        str | None,
        Option(
            "Ray cluster: auto, HOST:PORT, ray://HOST:10001.",
            metavar="ADDRESS",
            default="one of its own, here",
            panel="Cluster",
        ),
    ] = None
    gpu_memory: Annotated[
        str | None,
        Option(
            "Memory of a GPU (80GiB), for small models to share, large ones to get several.",
            metavar="SIZE",
            default="what its nodes say",
            panel="Cluster",
        ),
    ] = None
    task_cpus: Annotated[
        int | None,
        Option(
            "CPUs, and so threads, of each model on a cluster.",
            default="4, or 1 beside a GPU",
            at_least=1,
            panel="Cluster",
        ),
    ] = None

    @property
    def uses_ray(self) -> bool:
        return self.engine == "ray"

    @property
    def gpu_bytes(self) -> int | None:
        """Memory of one GPU, where the user says it."""
        return None if self.gpu_memory is None else parse_max_memory(f"cuda:0={self.gpu_memory}")["cuda:0"]

    def check(self) -> None:
        given = {"--ray-address": self.ray_address, "--gpu-memory": self.gpu_memory, "--task-cpus": self.task_cpus}
        if not self.uses_ray and (names := [name for name, value in given.items() if value is not None]):
            raise UsageError(f"{' and '.join(names)}: of a Ray cluster; add --engine ray")
        try:
            self.gpu_bytes  # noqa: B018 (refuses what is none)
        except UsageError as error:
            raise UsageError(f"--gpu-memory must be a size, as 80GiB, not {self.gpu_memory}") from error
