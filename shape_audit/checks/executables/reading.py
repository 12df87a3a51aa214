"""Files read in pieces, from a folder or by range requests of the Hub, with an end to the bytes and the seconds."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

PIECE = 2**18
"""Bytes of a range request."""


class UnreadError(Exception):
    """Why a file, or the rest of it, was not looked into."""


class Budget:
    """Bytes and seconds that a repository may take, or a file within those; of several threads."""

    def __init__(self, total_bytes: int, seconds: float, within: Budget | None = None) -> None:
        self._left, self._deadline, self._lock = total_bytes, time.monotonic() + seconds, threading.Lock()
        self._within = within

    def take(self, count: int) -> None:
        """Count bytes that are about to be looked at.

        Raises:
            UnreadError: there are no more bytes, or no more seconds.
        """
        if self._within is not None:
            self._within.take(count)
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise UnreadError("the limit of bytes that a check reads was reached")
            if not self.has_time():
                raise UnreadError("the limit of time that a check takes was reached")

    def has_time(self) -> bool:
        return time.monotonic() < self._deadline and (self._within is None or self._within.has_time())


class PartsOfFile(io.RawIOBase):
    """A file of known size as a stream that can be sought, fetched piece by piece."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        """
        Args:
            fetch: bytes [begin, end) of the file.
        """
        self._fetch, self._size, self._position = fetch, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("before the start of the file")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        content = self._fetch(self._position, end)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def buffered(fetch: Callable[[int, int], bytes], size: int) -> io.BufferedReader:
    """The stream, in requests of at least `PIECE` bytes."""
    return io.BufferedReader(PartsOfFile(fetch, size), PIECE)
