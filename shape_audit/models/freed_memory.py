"""Having the C library give freed memory back, which glibc keeps for later.

It keeps blocks of up to 32 MB (the threshold grows with what was freed), and between the sums, gradients and weights of
a streamed pass they end up in pieces that fit nothing (benchmarks/offload_memory.py shows what a pass keeps). With a
threshold set by hand it stays what it is, and every large tensor has pages of its own; that costs page faults. Where
weights stay in memory, giving back what is free from time to time is enough: GPT-2 at 1,024 tokens a window held 1.0 GB
of freed memory after the first window and 110 MB more after each further one.
"""

from __future__ import annotations

import ctypes
import time
from contextlib import suppress

M_MMAP_THRESHOLD = -3
THRESHOLD = 2**20


def give_back_freed_memory() -> None:
    """From now on, for good, in this process: for a program to call, not for a library. Nothing where the C library is
    another."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, THRESHOLD)


class FreePages:
    """Gives back free pages, so seldom that it costs next to nothing: a pass that is over sooner does without."""

    INTERVAL = 5.0
    """Seconds between two times; a gigabyte takes a quarter of one to come back."""

    def __init__(self) -> None:
        self._given_back = time.monotonic()

    def give_back(self) -> None:
        """Now, where the last time is long ago; nothing where the C library is another."""
        if time.monotonic() - self._given_back < self.INTERVAL:
            return
        with suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)
        self._given_back = time.monotonic()
