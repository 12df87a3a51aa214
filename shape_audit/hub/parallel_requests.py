"""Several requests at a time, and an end to all of them at the first Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

GRACE_SECONDS = 1.0
"""How long threads that were told to stop are waited for; one that hears nothing from the Hub notices nothing."""

_Item = TypeVar("_Item")
_Value = TypeVar("_Value")


def side_by_side(work: Callable[[_Item, Event], _Value], items: Iterable[_Item], workers: int) -> list[_Value]:
    """`work` of each item, in their order; the first error ends all, and so does an interrupt.

    Args:
        work: given an item, and an event that is set once nobody waits for what it does.
    """
    stop = Event()
    pool = ThreadPoolExecutor(workers)
    futures = [pool.submit(work, item, stop) for item in items]
    try:
        return [future.result() for future in futures]
    except BaseException:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(futures, timeout=GRACE_SECONDS)
        raise
    finally:
        pool.shutdown(wait=False)
