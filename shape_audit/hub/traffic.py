"""What the Hub sends, watched on its way into huggingface_hub: how much, how long, and under which names.

huggingface_hub reads an answer to its end, however long that is and however small its packed form, and names files
in its cache after the ETag and the commit it is told. While `watched` is open, every answer to the calls of this thread
is counted as it comes in, unpacked here by pieces where it is packed, and refused where it is more than was announced,
comes too slowly, or has a name that is none; `watched_session` does so for all threads, of datasets and lm-eval too.

Xet would be a way round this client, to a server of the Hub's choice and past every count: meanwhile files come by
plain HTTP.
"""

from __future__ import annotations

import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import NoReturn, TypeVar

import httpx2
from huggingface_hub import constants
from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT
from huggingface_hub.utils import _http, get_session

from shape_audit.errors import CorruptFileError, IncompleteError, ShapeAuditError
from shape_audit.records import MAX_SMALL_FILE

PATIENCE = 6 * HF_HUB_DOWNLOAD_TIMEOUT
"""Seconds that an answer may be waited for, however short it is: the client's own limit is for each piece of it."""
LEAST_SPEED = 20_000
"""Bytes per second that an answer of known size must bring beyond that."""
SLACK = 2**16
"""Bytes beyond a file's size: of what the Hub says about it, and of refusals."""
LEAST_ANSWER = 2**10
"""What each answer counts for beside its bytes: an endless list of short ones ends too."""
PIECE = 2**18
ASKED_AT = "shape_audit_asked_at"

COMMIT = re.compile("[0-9a-f]{40}")
_ETAG = re.compile(r'(W/)?"?[0-9A-Za-z][0-9A-Za-z_-]{0,127}"?')
_Value = TypeVar("_Value")


@dataclass
class _Watch:
    """What may still come in.

    Attributes:
        limit: bytes.
        seconds: of waiting for the Hub; what is done between answers does not count.
        failure: why it was cut off, whatever a library has made of that since.
    """

    what: str
    limit: int
    seconds: float
    commit: str | None = None
    stop: Event | None = None
    failure: ShapeAuditError | None = None
    lock: Lock = field(default_factory=Lock)

    def count(self, size: int, waited: float) -> None:
        with self.lock:
            self.limit -= size
            self.seconds -= waited
        if self.stop is not None and self.stop.is_set():
            self.refuse(IncompleteError(f"{self.what}: interrupted"))
        if self.limit < 0:
            self.refuse(
                CorruptFileError(f"{self.what}: the Hub sent more than was announced, or than it can be; cut off")
            )
        if self.seconds < 0:
            self.refuse(IncompleteError(f"{self.what}: the Hub sent it too slowly; given up. Try again later"))

    def refuse(self, failure: ShapeAuditError) -> NoReturn:
        self.failure = failure
        raise failure


_of_thread = threading.local()
_of_session: list[_Watch] = []
"""The watch of all threads that have none of their own; the last one holds."""


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
    _hook()
    before = _watch()
    limit = MAX_SMALL_FILE if size is None else size + SLACK
    _of_thread.watch = _Watch(what, limit, PATIENCE + (size or 0) / LEAST_SPEED, commit, stop)
    try:
        yield
    finally:
        _of_thread.watch = before


@contextmanager
def watched_session(what: str, *, size: int, seconds: float) -> Iterator[None]:
    """Watch all calls of huggingface_hub while this is open, in whatever thread and by whatever library.

    Args:
        what: for messages.
        size: bytes that all answers together may have.
        seconds: how long they may be waited for, together.

    Raises:
        CorruptFileError, IncompleteError: as `watched` says, also where a library has made another error of it.
    """
    _hook()
    watch, xet = _Watch(what, size, seconds), constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True
    _of_session.append(watch)
    try:
        yield
    except Exception as error:
        if watch.failure is None or watch.failure is error:
            raise
        raise watch.failure from error
    finally:
        _of_session.remove(watch)
        constants.HF_HUB_DISABLE_XET = xet


def _hook() -> None:
    """Have the client show what it asks and is answered; and the next one, that takes its place after some faults."""
    make = _http._GLOBAL_CLIENT_FACTORY
    if not hasattr(make, "watched"):

        def watched_client() -> httpx2.Client:
            return _hooked(make())

        watched_client.watched = True  # type: ignore[attr-defined]
        _http._GLOBAL_CLIENT_FACTORY = watched_client
    _hooked(get_session())


def _hooked(client: httpx2.Client) -> httpx2.Client:
    hooks = client.event_hooks
    if _answered not in hooks["response"]:
        hooks["request"].append(_asked)
        hooks["response"].append(_answered)
        client.event_hooks = hooks
    return client


def _watch() -> _Watch | None:
    of_thread: _Watch | None = getattr(_of_thread, "watch", None)
    return of_thread or (_of_session[-1] if _of_session else None)


def watching(what: str, call: Callable[[], _Value]) -> Callable[[], _Value]:
    """A call that asks for a small answer, watched whenever it is made."""

    def watched_call() -> _Value:
        with watched(what):
            return call()

    return watched_call


def _asked(request: httpx2.Request) -> None:
    """Ask for what can be unpacked here, and not without a time limit, as datasets does."""
    if _watch() is None:
        return
    limits = {name: limit or HF_HUB_DOWNLOAD_TIMEOUT for name, limit in request.extensions.get("timeout", {}).items()}
    request.extensions |= {"timeout": limits, ASKED_AT: time.monotonic()}
    if request.headers.get("Accept-Encoding") != "identity":
        request.headers["Accept-Encoding"] = "gzip"


def _answered(response: httpx2.Response) -> None:
    watch = _watch()
    if watch is None:
        return
    watch.count(LEAST_ANSWER, time.monotonic() - response.request.extensions.get(ASKED_AT, time.monotonic()))
    response.headers.pop(constants.HUGGINGFACE_HEADER_X_XET_HASH, None)
    is_head = response.request.method == "HEAD"
    _check_names(response.headers, watch, watch.commit if is_head else None)
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if is_head:
        return
    if packing not in ("identity", "gzip", ""):
        watch.refuse(
            CorruptFileError(f"{watch.what}: the Hub sent it packed as {packing[:20]!r}, which was not asked for")
        )
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
        watch.refuse(
            CorruptFileError(f"{watch.what}: the Hub answered for the commit {commit[:60]!a}, which was not asked for")
        )
    for name in ("X-Linked-Etag", "ETag"):
        etag = headers.get(name)
        if etag is not None and not _ETAG.fullmatch(etag):
            watch.refuse(
                CorruptFileError(f"{watch.what}: the Hub calls it {etag[:60]!a} ({name}), which is no hash; refused")
            )


class _Counted(httpx2.SyncByteStream):
    """A body, counted as it is read."""

    def __init__(self, stream: httpx2.SyncByteStream, watch: _Watch, *, is_packed: bool) -> None:
        self._stream, self._watch, self._is_packed = stream, watch, is_packed

    def __iter__(self) -> Iterator[bytes]:
        asked_at = time.monotonic()
        for piece in _unpacked(self._stream) if self._is_packed else self._stream:
            self._watch.count(len(piece), time.monotonic() - asked_at)
            yield piece
            asked_at = time.monotonic()

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
