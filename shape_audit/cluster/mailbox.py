"""Where workers leave news for the driver: an actor of Ray beside it."""

from __future__ import annotations

import asyncio
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from shape_audit.cluster.worker import News

LATE_SECONDS = 0.5
"""For which news of a worker that has died is waited for."""


class _News:
    """The actor."""

    def __init__(self) -> None:
        self._news: asyncio.Queue[News] = asyncio.Queue()

    async def post(self, news: News) -> None:
        await self._news.put(news)

    async def collected(self) -> list[News]:
        """All there is; waits for the first."""
        found = [await self._news.get()]
        while not self._news.empty():
            found.append(self._news.get_nowait())
        return found


class Mailbox:
    """The driver's end.

    Attributes:
        actor: what workers post to.
        next: reference of the news to come.
    """

    def __init__(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self.actor: Any = ray.remote(_News).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()
        self.next: Any = self.actor.collected.remote()

    def read(self) -> list[News]:
        """What has come; waits for it."""
        reference, self.next = self.next, self.actor.collected.remote()
        try:
            found: list[News] = ray.get(reference)
        except exceptions.RayActorError:  # it is started again, and what is lost was a convenience
            return []
        return found

    def late(self) -> list[News]:
        """What came before a worker died, though its death is known first."""
        found = []
        for _ in range(2):  # what was on its way to us, then what it had not taken yet
            if ray.wait([self.next], timeout=LATE_SECONDS)[0]:
                found += self.read()
        return found

    def close(self) -> None:
        ray.kill(self.actor)
