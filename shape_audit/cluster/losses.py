"""What becomes of a task whose attempt came to nothing through no fault of its own."""

from __future__ import annotations

from enum import Enum

from shape_audit.cluster.task import Task


class Loss(Enum):
    """How an attempt was lost: in words, and how many such losses a task survives."""

    MACHINE = ("its machine was lost", 10)
    WORKER = ("its worker was killed, as happens where memory runs out", 2)
    MEMORY = ("out of memory", 2)

    @property
    def words(self) -> str:
        return self.value[0]

    @property
    def survived(self) -> int:
        return self.value[1]


def next_attempt(task: Task, loss: Loss, times: int) -> Task | None:
    """The task to go on with; None where it is given up.

    A lost machine says nothing about the task. A killed worker may: from the second time on, less memory is tried.
    Want of memory is no matter of luck: the same would want it again.

    Args:
        times: how often this has happened to the task, this time included.
    """
    if times > loss.survived:
        return None
    if loss is Loss.MEMORY:
        return task.lighter()
    if loss is Loss.WORKER and times > 1:
        return task.lighter() or task
    return task
