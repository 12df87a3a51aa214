"""What the Hub sends, watched on its way into huggingface_hub: how much, how long, and under which names.

huggingface_hub reads an answer to its end, however long that is and however small its packed form, and names files
in its cache after the ETag and the commit it is told. While `watched` is open, every answer to the calls of this thread
is counted as it comes in, unpacked here by pieces where it is packed, and refused where it is more than was announced,
comes too slowly, or has a name that is none.
"""

from __future__ import annotations

import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import httpx2
from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT
from huggingface_hub.utils import get_session

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.records import MAX_SMALL_FILE

PATIENCE = 6 * HF_HUB_DOWNLOAD_TIMEOUT
"""Seconds that an answer may take, however short it is: the client's own limit is for each piece of it."""
LEAST_SPEED = 20_000
"""Bytes per second that an answer of known size must bring beyond that."""
SLACK = 2**16
"""Bytes beyond a file's size: of what the Hub says about it, and of refusals."""
PIECE = 2**18

COMMIT = re.compile("[0-9a-f]{40}")
_ETAG = re.compile(r'(W/)?"?[0-9A-Za-z][0-9A-Za-z_-]{0,127}"?')
_Value = TypeVar("_Value")


@dataclass
class _Watch:
    what: str
    limit: int
    commit: str | None
    stop: Event | None
    until: float

    def count(self, size: int) -> None:
        self.limit -= size
        if self.stop is not None and self.stop.is_set():
            raise IncompleteError(f"{self.what}: interrupted")
        if self.limit < 0:
            raise CorruptFileError(f"{self.what}: the Hub sent more than was announced, or than it can be; cut off")
        if time.monotonic() > self.until:
            raise IncompleteError(f"{self.what}: the Hub sent it too slowly; given up. Try again later")


_of_thread = threading.local()


@contextmanager
def watched(
    what: str, *, size: int | None = None, commit: str | None = None, stop: Event | None = None
) -> Iterator[None]:
    """Watch the calls of huggingface_hub that this thread makes while this is open.

    Args:
        what: for messages.
        size: bytes that are asked for, as far as they are known; else what a small file may have.
        commit: the one that a file is asked for at; what the Hub says of another is refused.
        stop: once set, nothing more is read.

    Raises:
        CorruptFileError: more than that, or a name that is none.
        IncompleteError: too slow, or stopped.
    """
    client = get_session()
    hooks = client.event_hooks
    if _answered not in hooks["response"]:
        hooks["request"].append(_asked)
        hooks["response"].append(_answered)
        client.event_hooks = hooks
    before = getattr(_of_thread, "watch", None)
    limit = MAX_SMALL_FILE if size is None else size + SLACK
    _of_thread.watch = _Watch(what, limit, commit, stop, time.monotonic() + PATIENCE + (size or 0) / LEAST_SPEED)
    try:
        yield
    finally:
        _of_thread.watch = before


def watching(what: str, call: Callable[[], _Value]) -> Callable[[], _Value]:
    """A call that asks for a small answer, watched whenever it is made."""

    def watched_call() -> _Value:
        with watched(what):
            return call()

    return watched_call


def _asked(request: httpx2.Request) -> None:
    """Ask for what can be unpacked here."""
    if getattr(_of_thread, "watch", None) is not None and request.headers.get("Accept-Encoding") != "identity":
        request.headers["Accept-Encoding"] = "gzip"


def _answered(response: httpx2.Response) -> None:
    watch = getattr(_of_thread, "watch", None)
    if watch is None:
        return
    is_head = response.request.method == "HEAD"
    _check_names(response.headers, watch, watch.commit if is_head else None)
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if is_head:
        return
    if packing not in ("identity", "gzip", ""):
        raise CorruptFileError(f"{watch.what}: the Hub sent it packed as {packing[:20]!r}, which was not asked for")
    if packing == "gzip":
        del response.headers["Content-Encoding"]
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Counted(response.stream, watch, is_packed=packing == "gzip")


def _check_names(headers: httpx2.Headers, watch: _Watch, expected: str | None) -> None:
    """Refuse what huggingface_hub would name a file or folder after, where it is no hash or another than expected."""
    commit = headers.get("X-Repo-Commit")
    if commit is None:  # not an answer of the Hub about a file
        return
    if not COMMIT.fullmatch(commit) or expected not in (None, commit):
        raise CorruptFileError(
            f"{watch.what}: the Hub answered for the commit {commit[:60]!a}, which was not asked for"
        )
    for name in ("X-Linked-Etag", "ETag"):
        etag = headers.get(name)
        if etag is not None and not _ETAG.fullmatch(etag):
            raise CorruptFileError(f"{watch.what}: the Hub calls it {etag[:60]!a} ({name}), which is no hash; refused")


class _Counted(httpx2.SyncByteStream):
    """A body, counted as it is read."""

    def __init__(self, stream: httpx2.SyncByteStream, watch: _Watch, *, is_packed: bool) -> None:
        self._stream, self._watch, self._is_packed = stream, watch, is_packed

    def __iter__(self) -> Iterator[bytes]:
        for piece in _unpacked(self._stream) if self._is_packed else self._stream:
            self._watch.count(len(piece))
            yield piece

    def close(self) -> None:
        self._stream.close()


def _unpacked(stream: httpx2.SyncByteStream) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for packed in stream:
        left = packed
        while left and not unpacker.eof:
            try:
                piece = unpacker.decompress(left, PIECE)
            except zlib.error as error:
                raise httpx2.DecodingError(str(error)) from error
            left = unpacker.unconsumed_tail
            yield piece
