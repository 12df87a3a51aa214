"""One unit of work: what it needs, what it does on a worker, what of it survives the worker's death."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from shape_audit.cluster.room import ClusterRoom, Resources
from shape_audit.records import write_bytes_atomically


@dataclass(frozen=True)
class Keepsakes:
    """Files of unfinished work that are sent to the driver now and then, and given to whoever goes on with it.

    Attributes:
        folder: of the driver's.
        pattern: of their paths in it, and in the worker's `Desk.kept`, as `Path.glob` takes it.
    """

    folder: Path
    pattern: str

    def stamps(self, folder: Path) -> dict[str, tuple[int, int]]:
        """Path in the folder -> what changes whenever it is replaced, of those that are there."""
        found = {}
        for path in folder.glob(self.pattern):
            with suppress(FileNotFoundError):  # let go of meanwhile
                about = path.stat()
                found[path.relative_to(folder).as_posix()] = about.st_mtime_ns, about.st_ino
        return found

    def read(self, folder: Path, besides: Mapping[str, tuple[int, int]] | None = None) -> dict[str, bytes]:
        """Path in the folder -> content, of those that are there.

        Args:
            besides: stamps of files that are known; only others are read.
        """
        found = {}
        for path, stamp in self.stamps(folder).items():
            with suppress(FileNotFoundError, IsADirectoryError):
                if stamp != (besides or {}).get(path):
                    found[path] = (folder / path).read_bytes()
        return found

    def write(self, files: Mapping[str, bytes], folder: Path) -> None:
        """Put files that another machine has read into a folder, each whole or not at all; none goes elsewhere."""
        for path, content in files.items():
            if PurePath(path).match(self.pattern) and ".." not in PurePath(path).parts:
                write_bytes_atomically(folder / path, content)


@dataclass
class Desk:
    """Where a worker does a task; an `auditing.Progress` besides.

    Attributes:
        folder: the task's own; gone when it ends.
        shared: what all tasks of the run have in common.
        tell: takes (windows done, windows in all).
    """

    folder: Path
    shared: Any = None
    tell: Callable[[int, int], None] = lambda done, total: None

    @property
    def kept(self) -> Path:
        """Folder of its keepsakes."""
        return self.folder / "kept"

    @property
    def results(self) -> Path:
        """Folder of files that go to the driver when the task is done."""
        return self.folder / "results"

    def step(self, text: str) -> None: ...

    def windows(self, done: int, total: int, tokens: int) -> None:
        self.tell(done, total)


@dataclass(frozen=True)
class Placed:
    """A task as it is to be run, and what it asks for."""

    task: Task
    resources: Resources


class Task(ABC):
    """One unit of work. It travels to a worker, so it holds nothing that belongs to one process."""

    name: str

    @property
    def keepsakes(self) -> Keepsakes | None:
        """What survives a worker; None for nothing."""
        return None

    def let_go(self) -> None:
        """It is done: remove its keepsakes on the driver."""
        if self.keepsakes is not None:
            for path in self.keepsakes.stamps(self.keepsakes.folder):
                (self.keepsakes.folder / path).unlink(missing_ok=True)

    @abstractmethod
    def placed(self, room: ClusterRoom) -> Placed:
        """What it asks for of such a cluster. It must not fail: what cannot be planned fails where it is run."""

    @abstractmethod
    def run(self, desk: Desk) -> Any:
        """Do it, on a worker.

        Raises:
            ShapeAuditError: it fails for its own reason, and would again.
            TooLittleMemoryError: it may do as `lighter`.
        """

    def lighter(self) -> Task | None:
        """The same in less memory; None where there is no way."""
        return None


@dataclass(frozen=True)
class Answer:
    """What a worker sends back of a task.

    Attributes:
        value: what `Task.run` gave; None where it failed.
        files: path in `Desk.results` -> content.
        error: (exit code, message) of a task that failed for its own reason.
        lacks_memory: whether it failed for want of memory.
        foreign: how the worker differs from the driver, which is why it has not begun.
        seconds: that it took.
    """

    value: Any = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    error: tuple[int, str] | None = None
    lacks_memory: bool = False
    foreign: str | None = None
    seconds: float = 0.0
