"""Having the C library give freed memory back at once, for passes that bring weights in and drop them again.

glibc keeps blocks of up to 32 MB for later (the threshold grows with what was freed), and between the sums, gradients
and weights of a streamed pass they end up in pieces that fit nothing (benchmarks/offload_memory.py shows what a pass
keeps). With a threshold set by hand it stays what it is, and every large tensor has pages of its own.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD = -3
THRESHOLD = 2**20


def give_back_freed_memory() -> None:
    """From now on, for good, in this process: for a program to call, not for a library. Nothing where the C library is
    another."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, THRESHOLD)
