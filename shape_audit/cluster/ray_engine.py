"""Tasks on a Ray cluster: few at a time, begun again where a machine was lost, answers as they come.

Retries are ours and not Ray's: an attempt that ran out of memory must not be repeated as it was.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray import exceptions

from shape_audit.cluster.gpu_memory import memory_of_gpus
from shape_audit.cluster.losses import Loss, next_attempt
from shape_audit.cluster.mailbox import Mailbox
from shape_audit.cluster.options import ClusterOptions
from shape_audit.cluster.progress import ClusterProgress, Standing
from shape_audit.cluster.room import ClusterRoom, Node, Resources
from shape_audit.cluster.task import Answer, Task
from shape_audit.cluster.versions import Versions, versions_here
from shape_audit.cluster.worker import News, Order, do_task
from shape_audit.errors import ExitCode, IncompleteError, NotAuditableError, ShapeAuditError, UsageError, first_line

MOST_WAITING = 32
"""Tasks handed in that have not begun, or as many as there are GPUs, or else CPUs: no machine is left idle."""
SHIP_SECONDS = 60.0
"""After which a worker sends partial results that have changed: what its death costs at most."""
LOOK_SECONDS = 1.0
"""For which the driver sleeps where nothing comes."""

LOST = {
    exceptions.NodeDiedError: Loss.MACHINE,
    exceptions.LocalRayletDiedError: Loss.MACHINE,
    exceptions.ObjectLostError: Loss.MACHINE,  # it had answered
    exceptions.OutOfMemoryError: Loss.MEMORY,  # Ray's own monitor has killed it
    exceptions.WorkerCrashedError: Loss.WORKER,
}
OURS = {error.exit_code: error for error in (IncompleteError, NotAuditableError, UsageError)}


@dataclass(frozen=True)
class Finished:
    """What became of a task.

    Attributes:
        task: as it was handed in.
        answer: of the attempt that was the last.
        error: why there is nothing.
    """

    task: Task
    answer: Answer
    error: ShapeAuditError | None = None


@dataclass
class _Attempt:
    """A task on its way.

    Attributes:
        asked: as it was handed in.
        task: as it is tried now.
        since: when it began; None while it waits.
    """

    asked: Task
    task: Task
    resources: Resources = field(default_factory=Resources)
    losses: Counter[Loss] = field(default_factory=Counter)
    number: int = -1
    since: float | None = None


def _on_worker(task: Task, order: Order, kept: dict[str, bytes], shared: Any, mailbox: Any) -> Answer:
    began = time.monotonic()
    answer = do_task(task, order, kept, shared, mailbox.post.remote)
    return replace(answer, seconds=time.monotonic() - began)


class RayEngine:
    """Runs tasks on the Ray cluster that this process is connected to."""

    def __init__(
        self,
        options: ClusterOptions,
        *,
        shared: Any = None,
        versions: Versions | None = None,
        ship_seconds: float = SHIP_SECONDS,
    ) -> None:
        """
        Args:
            shared: what all tasks have in common, and should not carry each: a text.
            versions: that workers must have; None for this process's.
            ship_seconds: after which partial results that have changed are sent to the driver.
        """
        self._options, self._ship_seconds = options, ship_seconds
        self._shared = ray.put(shared)
        self._versions = versions or versions_here()
        self._running: dict[Any, _Attempt] = {}
        self._attempts = self._done = self._retried = 0
        self._gpu_seconds, self._began = 0.0, time.monotonic()

    def run(self, tasks: Iterable[Task], total: int, progress: ClusterProgress) -> Iterator[Finished]:
        """Do tasks, and give what became of each as it is done. Whoever stops taking stops what is under way.

        Raises:
            IncompleteError: workers have other versions than the driver.
        """
        left = iter(tasks)
        self._settle_room()
        self._mailbox = Mailbox()
        has_more = True
        try:
            while has_more or self._running:
                has_room = has_more and self._waiting < self._most_waiting
                if has_room:
                    task = next(left, None)
                    has_more = task is not None
                    if task is not None:
                        self._submit(_Attempt(task, task))
                yield from self._arrivals(0.0 if has_room else LOOK_SECONDS)
                progress.standing(self._standing(total))
        finally:
            for reference in self._running:
                ray.cancel(reference, force=True)
            self._mailbox.close()

    @property
    def _waiting(self) -> int:
        return sum(attempt.since is None for attempt in self._running.values())

    def _settle_room(self) -> None:
        """Look at what the cluster has."""
        found = [node for node in ray.nodes() if node["Alive"]]
        nodes = [
            Node(node["Resources"].get("GPU", 0.0), node["Resources"].get("CPU", 0.0),
                 node["Resources"].get("memory", 0.0))
            for node in found
        ]  # fmt: skip
        seen = memory_of_gpus([node["NodeID"] for node in found if node["Resources"].get("GPU")])
        self._most_waiting = max(MOST_WAITING, int(sum(node.gpus or node.cpus for node in nodes)))
        self._room = ClusterRoom(nodes, self._options.gpu_bytes or seen, self._options.task_cpus)
        # CUDA holds on to the GPU that it first saw, and to memory there; other workers are used again
        self._worker = ray.remote(max_retries=0, max_calls=0 if seen is None else 1)(_on_worker)

    def _submit(self, attempt: _Attempt) -> None:
        placed = attempt.task.placed(self._room)
        attempt.task, attempt.resources = placed.task, placed.resources
        attempt.number, attempt.since = self._attempts, None
        self._attempts += 1
        order = Order(
            number=attempt.number,
            threads=placed.resources.threads,
            versions=self._versions,
            folder=os.getcwd(),
            ship_seconds=self._ship_seconds,
        )
        keepsakes, wanted = placed.task.keepsakes, placed.resources
        kept = keepsakes.read(keepsakes.folder) if keepsakes else {}
        # named by its kind: Ray keeps metrics of every name, which add up where each of ten thousand models is one
        reference = self._worker.options(
            name=type(placed.task).__name__, num_cpus=wanted.cpus, num_gpus=wanted.gpus, memory=wanted.memory
        ).remote(placed.task, order, kept, self._shared, self._mailbox.actor)
        self._running[reference] = attempt

    def _arrivals(self, seconds: float) -> Iterator[Finished]:
        """What has come, after waiting so long for something to come."""
        news = self._mailbox.next
        for reference in ray.wait([news, *self._running], num_returns=1, timeout=seconds)[0]:
            if reference == news:
                self._take_note_of(self._mailbox.read())
                continue
            attempt = self._running[reference]
            finished = self._finished(attempt, reference)
            del self._running[reference]
            if finished is not None:
                self._done += 1
                yield finished

    def _take_note_of(self, found: Iterable[News]) -> None:
        by_number = {attempt.number: attempt for attempt in self._running.values()}
        for news in found:
            attempt = by_number.get(news.number)
            if attempt is None:
                continue
            attempt.since = attempt.since or time.monotonic()
            keepsakes = attempt.task.keepsakes
            if news.files and keepsakes is not None:
                with suppress(OSError):  # a full disk here costs time, should the worker die, and no more
                    keepsakes.write(news.files, keepsakes.folder)

    def _finished(self, attempt: _Attempt, reference: Any) -> Finished | None:
        """What became of a task; None where it is tried once more."""
        try:
            answer: Answer = ray.get(reference)
        except tuple(LOST) as error:
            if attempt.since is not None:
                self._gpu_seconds += attempt.resources.gpus * (time.monotonic() - attempt.since)
            return self._lost(attempt, next(loss for kind, loss in LOST.items() if isinstance(error, kind)))
        except exceptions.TaskCancelledError:
            return Finished(attempt.asked, Answer(), IncompleteError(f"{attempt.asked.name}: cancelled by somebody"))
        except exceptions.RayError as error:
            reason = first_line(getattr(error, "cause", None) or error)
            raise IncompleteError(f"the cluster cannot run shape-audit ({reason}); is it installed there?") from error
        self._gpu_seconds += attempt.resources.gpus * answer.seconds
        if answer.foreign is not None:
            raise IncompleteError(f"a worker of the cluster has {answer.foreign}; install the same on all machines")
        if answer.error is None:
            return Finished(attempt.asked, answer)
        code, message = answer.error
        error_found = OURS.get(ExitCode(code), IncompleteError)(message)
        if answer.lacks_memory:
            return self._lost(attempt, Loss.MEMORY, error_found)
        return Finished(attempt.asked, answer, error_found)

    def _lost(self, attempt: _Attempt, loss: Loss, reason: ShapeAuditError | None = None) -> Finished | None:
        """Try once more where that may help.

        Args:
            reason: as the task has it.
        """
        self._take_note_of(self._mailbox.late())
        attempt.losses[loss] += 1
        times = attempt.losses[loss]
        again = next_attempt(attempt.task, loss, times)
        if again is None:
            given_up = IncompleteError(f"{attempt.asked.name}: {loss.words}, {times} times by now; given up")
            return Finished(attempt.asked, Answer(), reason or given_up)
        self._retried += 1
        self._submit(_Attempt(attempt.asked, again, losses=attempt.losses))
        return None

    def _standing(self, total: int) -> Standing:
        now = time.monotonic()
        begun = [attempt for attempt in self._running.values() if attempt.since is not None]
        under_way = sum(attempt.resources.gpus * (now - (attempt.since or now)) for attempt in begun)
        return Standing(
            total=total,
            done=self._done,
            running=len(begun),
            waiting=len(self._running) - len(begun),
            retried=self._retried,
            gpu_seconds=self._gpu_seconds + under_way,
            seconds=now - self._began,
        )
