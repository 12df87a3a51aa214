"""Tasks that behave as audits do at their worst. They run on workers, which import this module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shape_audit.cluster import AuditTask, ClusterRoom, Desk, Keepsakes, Placed, Resources, Task
from shape_audit.errors import NotAuditableError, TooLittleMemoryError
from tests.processes import LONG

FIRST_SAVED = 16
"""Windows after which an audit first saves its sums."""


@dataclass(frozen=True)
class StandIn(Task):
    """A task of one CPU.

    Attributes:
        marks: a folder of this machine, where every attempt leaves a line in the task's file.
        resources: it asks for.
    """

    name: str
    marks: Path
    resources: Resources = field(default_factory=Resources)

    def placed(self, room: ClusterRoom) -> Placed:
        return Placed(self, self.resources)

    def run(self, desk: Desk) -> Any:
        with (self.marks / self.name).open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        return self.work(desk, len((self.marks / self.name).read_text().split()))

    def work(self, desk: Desk, attempt: int) -> Any:
        """What it does; attempts count from 1."""
        (desk.results / "deep").mkdir(parents=True)
        (desk.results / "deep" / "file.txt").write_text(self.name)
        return attempt


class Refuses(StandIn):
    def work(self, desk: Desk, attempt: int) -> Any:
        raise NotAuditableError(f"{self.name}: nothing there")


class HasABug(StandIn):
    def work(self, desk: Desk, attempt: int) -> Any:
        return {}[self.name]


@dataclass(frozen=True)
class Dies(StandIn):
    """Is killed so often, then does it."""

    times: int = 1

    def work(self, desk: Desk, attempt: int) -> Any:
        if attempt <= self.times:
            os.kill(os.getpid(), signal.SIGKILL)
        return attempt


@dataclass(frozen=True)
class WantsMemory(StandIn):
    """Has enough where it has become light."""

    is_light: bool = False
    can_be_light: bool = True

    def work(self, desk: Desk, attempt: int) -> Any:
        if not self.is_light:
            raise TooLittleMemoryError(f"{self.name}: too little memory")
        return attempt

    def lighter(self) -> Task | None:
        return replace(self, is_light=True) if self.can_be_light else None


class Counts(StandIn):
    """Counts in a file that is kept, and dies as soon as the driver has the first count."""

    @property
    def keepsakes(self) -> Keepsakes:
        return Keepsakes(self.marks / "driver", f"{self.name}-*/count.txt")

    def work(self, desk: Desk, attempt: int) -> Any:
        file = desk.kept / f"{self.name}-1" / "count.txt"
        before = file.read_text() if file.exists() else ""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name("next.tmp")
        temporary.write_text(before + "I")
        temporary.replace(file)
        if attempt == 1:
            until((self.marks / "driver" / f"{self.name}-1" / "count.txt").exists)
            os.kill(os.getpid(), signal.SIGKILL)
        return before


@dataclass(frozen=True)
class Meets(StandIn):
    """Waits for so many of its kind to be at work with it; returns the GPU it was given."""

    together: int = 2

    def work(self, desk: Desk, attempt: int) -> Any:
        (self.marks / f"{self.name}.here").touch()
        until(lambda: len(list(self.marks.glob("*.here"))) >= self.together)
        return os.environ["CUDA_VISIBLE_DEVICES"]


@dataclass(frozen=True)
class HoldsGpu(StandIn):
    """Notes when it has begun and ended."""

    def work(self, desk: Desk, attempt: int) -> Any:
        began = time.monotonic()
        time.sleep(0.2)
        return os.environ["CUDA_VISIBLE_DEVICES"], began, time.monotonic()


class StaysOn(StandIn):
    """Says on which node it is; its first attempt stays there until it is let go."""

    def work(self, desk: Desk, attempt: int) -> Any:
        import ray

        node = ray.get_runtime_context().get_node_id()
        (self.marks / f"{self.name}.tmp").write_text(node)
        (self.marks / f"{self.name}.tmp").rename(self.marks / f"{self.name}.on")
        if attempt == 1:
            until((self.marks / "let go").exists)
        return node


class KilledOnce(AuditTask):
    """An audit whose worker is killed as soon as the driver has partial sums of it."""

    def run(self, desk: Desk) -> bytes:
        partial = self.options.keep.partial
        assert partial is not None
        if (partial / "killed").exists():
            (partial / "resumed").write_text("".join(path.name for path in desk.kept.glob("*/state.safetensors")))
            return super().run(desk)
        return super().run(_Killing(desk.folder, desk.shared, partial=partial))


@dataclass
class _Killing(Desk):
    """Kills its own process once the driver has something."""

    partial: Path = Path()

    def windows(self, done: int, total: int, tokens: int) -> None:
        if done >= FIRST_SAVED:
            until(lambda: any(self.partial.glob("*/state.safetensors")))
            (self.partial / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)


def until(happens: Callable[[], bool]) -> None:
    """Wait for it; on a worker, where nobody can wake us."""
    end = time.monotonic() + LONG
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)
