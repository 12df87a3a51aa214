"""Processes that tests start: they end with the test's own process, however that ends, and are waited for by events."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress

PR_SET_PDEATHSIG = 1
LONG = 600
"""Seconds, for what would otherwise never end; what ends takes minutes where ten others want the same core."""
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *_: 0


def ends_with_parent() -> None:
    """In a process that was just forked (`preexec_fn`): be killed when the one that started it has ended.

    A run of tests that is killed would else leave behind what it has started, which takes a core for minutes.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def left_after_end(processes: Iterable[int]) -> set[int]:
    """Wait until these processes, children or not, have ended; those that have not, after a long time."""
    handles = {}
    for process in processes:
        with suppress(ProcessLookupError):
            handles[os.pidfd_open(process)] = process
    waiting = select.poll()
    for handle in handles:
        waiting.register(handle, select.POLLIN)
    left = dict(handles)
    while left and (ended := waiting.poll(LONG * 1000)):
        for handle, _ in ended:
            waiting.unregister(handle)
            del left[handle]
    for handle in handles:
        os.close(handle)
    return set(left.values())
