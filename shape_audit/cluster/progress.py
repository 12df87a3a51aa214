"""How a run on a cluster tells whoever waits for it where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Standing:
    """Where a run is.

    Attributes:
        total: models in all; those that are not counted below have not been handed in yet.
        running, waiting: of those handed in.
        retried: how often one was begun again after its worker was lost, or for want of memory.
        gpu_seconds: that tasks have held GPUs, those under way included.
        seconds: since the run began.
    """

    total: int
    done: int = 0
    running: int = 0
    waiting: int = 0
    retried: int = 0
    gpu_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def gpu_hours(self) -> float:
        return self.gpu_seconds / 3600

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None where nothing is done yet."""
        return self.seconds / self.done * (self.total - self.done) if self.done else None


class ClusterProgress(Protocol):
    """Told whenever something has changed."""

    def standing(self, now: Standing) -> None:
        """The run is here now."""


class SilentCluster:
    """No progress shown."""

    def standing(self, now: Standing) -> None: ...
