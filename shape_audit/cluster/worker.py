"""What a worker does with a task: a folder of its own, what earlier attempts left, news on the way, an answer."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shape_audit.cluster.task import Answer, Desk, Keepsakes, Task
from shape_audit.cluster.versions import Versions, difference, versions_here
from shape_audit.errors import ShapeAuditError, TooLittleMemoryError, explained

LEAST_SECONDS_BETWEEN_NEWS = 1.0


@dataclass(frozen=True)
class Order:
    """How a task is to be done.

    Attributes:
        number: of the attempt, by which news of it is known.
        threads: of torch.
        versions: of the driver.
        folder: the driver's working directory, for relative paths, where this machine has it too.
        ship_seconds: after which keepsakes that have changed are sent.
    """

    number: int
    threads: int
    versions: Versions
    folder: str
    ship_seconds: float


@dataclass(frozen=True)
class News:
    """What a worker tells of an attempt under way.

    Attributes:
        windows: done and in all, where windows are measured.
        files: keepsakes as they are now.
    """

    number: int
    windows: tuple[int, int] | None = None
    files: Mapping[str, bytes] | None = None


Post = Callable[[News], object]


def do_task(task: Task, order: Order, kept: Mapping[str, bytes], shared: Any, post: Post) -> Answer:
    """Do a task. What it fails with is part of the answer: an exception's class may not be known to who reads it.

    Args:
        kept: keepsakes of earlier attempts.
        shared: see `Desk`.
        post: takes news to the driver.
    """
    differs = difference(versions_here(), order.versions)
    if differs:
        return Answer(foreign=differs)
    _use_threads(order.threads)
    post(News(order.number))
    with TemporaryDirectory(prefix="shape-audit-task-") as name, _in_folder(order.folder):
        desk = Desk(Path(name), shared, _Windows(order.number, post))
        for folder in (desk.kept, desk.results):
            folder.mkdir()
        if task.keepsakes is not None:
            task.keepsakes.write(kept, desk.kept)
        try:
            with _shipped(desk.kept, task.keepsakes, order, post):
                value = task.run(desk)
        except Exception as error:
            return _failure(task, error)
        finally:
            _free_memory()
        files = Keepsakes(desk.results, "**/*").read(desk.results)
        return Answer(value, files)


def _failure(task: Task, error: Exception) -> Answer:
    known = explained(error, task.name)
    if known is None:  # a fault of ours or of a library: one model's row, not the end of a thousand others
        known = ShapeAuditError(f"{task.name}: unexpected {type(error).__name__}: {error}")
    return Answer(error=(int(known.exit_code), str(known)), lacks_memory=isinstance(known, TooLittleMemoryError))


class _Windows:
    """Tells how many windows are done, not oftener than is of use."""

    def __init__(self, number: int, post: Post) -> None:
        self._number, self._post, self._told = number, post, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= LEAST_SECONDS_BETWEEN_NEWS:
            self._told = now
            self._post(News(self._number, windows=(done, total)))


@contextmanager
def _shipped(folder: Path, keepsakes: Keepsakes | None, order: Order, post: Post) -> Iterator[None]:
    """Meanwhile, send keepsakes that have changed. Each is replaced by a rename, so none is read half-written."""
    if keepsakes is None:
        yield
        return
    ended = threading.Event()
    came = keepsakes.stamps(folder)  # looked at before the work begins: what it saves first must not pass for these

    def ship() -> None:
        sent = came
        while not ended.wait(order.ship_seconds):
            now = keepsakes.stamps(folder)
            changed = keepsakes.read(folder, besides=sent)
            if changed:
                post(News(order.number, files=changed))
            sent = now

    shipping = threading.Thread(target=ship, daemon=True)
    shipping.start()
    try:
        yield
    finally:
        ended.set()
        shipping.join()


def _use_threads(count: int) -> None:
    """Workers are used again for tasks with other numbers of CPUs."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)


@contextmanager
def _in_folder(folder: str) -> Iterator[None]:
    before = os.getcwd()
    if os.path.isdir(folder):
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _free_memory() -> None:
    """Give back what the task has held: the worker may wait for its next one beside others that need it."""
    import gc

    gc.collect()
    gc.freeze()  # what is left are modules, which need not be walked after every task
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
