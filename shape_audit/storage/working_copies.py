"""A folder here that stands for one elsewhere, so that whatever works on folders works on URLs.

What lies there is fetched when the copy is opened, in as far as it has changed since last time; what is written here is
sent as the work goes on, and when the copy is closed. The copy stays in the Hub's assets cache: it is what makes the
next listing the only request, and what keeps finished work whose sending failed. A file that others have changed since
is taken from there; else the one here is sent. Several processes may share a copy, as they may share any folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

from shape_audit.errors import CorruptFileError, IncompleteError, ShapeAuditError
from shape_audit.places import Place, Url, assets_folder, place_of
from shape_audit.records import write_bytes_atomically, write_text_atomically
from shape_audit.storage.names import is_inside
from shape_audit.storage.opening import opened
from shape_audit.storage.store import Listed, Store

Wanted = Callable[[str], bool]

PARALLEL_READS = 8
FILES_AT_ONCE = 500
"""Of one write: more are sent one part after the other."""
LARGEST_FILE = 2**30
"""Bytes."""
FILES, STATE, LOCK = "files", "synced.json", "lock"


class WorkingCopy:
    """A folder and the place that it stands for: itself, where that is a folder here.

    Attributes:
        folder: where to read and write.
        place: as the user knows it.
    """

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder, self.place = folder, place

    def shown(self, path: Path) -> str:
        """A path in the folder, as the user knows it."""
        return str(path)

    def send(self) -> None:
        """Send what has changed here.

        Raises:
            IncompleteError: it could not be sent; it is kept here.
        """

    def send_if_due(self) -> None:
        """Send what has changed here, unless that was done a moment ago, or just failed: `send` will say."""


class CopyOfUrl(WorkingCopy):
    """A folder in the cache."""

    def __init__(self, store: Store, wanted: Wanted, removable: Wanted) -> None:
        """
        Args:
            wanted: which files, by their path in the folder, belong to it.
            removable: those of them that are removed there when they are removed here.
        """
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", str(store.url))[:60]
        self._home = assets_folder("copies") / f"{slug}-{_sha256(store.identity.encode())[:12]}"
        super().__init__(self._home / FILES, store.url)
        self._store, self._wanted, self._removable = store, wanted, removable
        self.has_failed = False
        """Whether `send` has said so: it need not say it twice."""

    def shown(self, path: Path) -> str:
        return f"{self.place}/{path.relative_to(self.folder).as_posix()}"

    def fetch(self) -> None:
        """Have here what is there.

        Raises:
            IncompleteError: there is no such bucket or repository, or not all of it can be read.
        """
        from shape_audit.hub import side_by_side

        with self._locked(wait=True) as synced:
            assert synced is not None
            listing = {path: listed for path, listed in self._store.listing().items() if self._is_ours(path)}
            for path in [path for path in synced if path not in listing and self._wanted(path)]:
                if self._hash(path) == synced.pop(path)[1]:  # else it is new here, and will be sent
                    (self.folder / path).unlink(missing_ok=True)
            absent = [path for path, listed in listing.items() if not self._has(path, listed, synced)]
            for path, digest in zip(absent, side_by_side(self._fetched(listing), absent, PARALLEL_READS), strict=True):
                synced[path] = [listing[path].version, digest]

    def send(self) -> None:
        self._send(wait=True)

    def send_if_due(self) -> None:
        with suppress(OSError):  # nothing was fetched or sent yet
            if abs(time.time() - (self._home / STATE).stat().st_mtime) < self._store.pause:
                return
        with suppress(IncompleteError):  # a network that is away for a minute is no reason to end hours of work
            self._send(wait=False)
        self.has_failed = False  # there will be another try

    def _send(self, *, wait: bool) -> None:
        """
        Args:
            wait: for another process of this copy that sends just now, and takes along what is here.
        """
        try:
            with self._locked(wait=wait) as synced:
                if synced is None:
                    return
                here = {path: self._hash(path) for path in self._here()}
                gone = [path for path in synced if path not in here and self._removable(path)]
                changed = [path for path, digest in here.items() if digest != synced.get(path, [None, None])[1]]
                changed.sort(key=lambda path: ("/" not in path, path))  # a board after the records it is made from
                for start in range(0, max(len(changed), 1), FILES_AT_ONCE):
                    part = changed[start : start + FILES_AT_ONCE]
                    files = {path: (self.folder / path).read_bytes() for path in part}
                    if files or gone:
                        self._store.write(files, gone)
                    synced |= {path: [None, _sha256(content)] for path, content in files.items()}
                    for path in gone:
                        del synced[path]
                    gone = []
        except ShapeAuditError as error:
            self.has_failed = True
            raise IncompleteError(
                f"{error} (kept in {self.folder}, and sent by the next run that writes there)"
            ) from error
        self.has_failed = False

    def _is_ours(self, path: str) -> bool:
        return is_inside(path) and self._wanted(path)

    def _here(self) -> Iterator[str]:
        for path in sorted(self.folder.glob("*")) + sorted(self.folder.glob("*/*")):
            name = path.relative_to(self.folder).as_posix()
            if self._is_ours(name) and path.is_file() and not path.is_symlink():
                yield name

    def _has(self, path: str, listed: Listed, synced: dict[str, Any]) -> bool:
        """Whether the file here is the one there, or a change of that one."""
        if listed.version is None or not (self.folder / path).is_file():
            return False
        if synced.get(path, [None])[0] == listed.version:
            return True
        content = (self.folder / path).read_bytes()
        if listed.version not in self._store.versions(content):
            return False
        synced[path] = [listed.version, _sha256(content)]
        return True

    def _fetched(self, listing: dict[str, Listed]) -> Callable[[str, Event], str]:
        """Puts a file of the listing here, and gives its hash."""

        def fetch(path: str, stop: Event) -> str:
            if (listing[path].size or 0) > LARGEST_FILE:
                raise CorruptFileError(f"{self.place}/{path}: not the kind of file this should be, by its size")
            content = self._store.read(path, listing[path], stop)
            write_bytes_atomically(self.folder / path, content)
            return _sha256(content)

        return fetch

    def _hash(self, path: str) -> str | None:
        try:
            return _sha256((self.folder / path).read_bytes())
        except FileNotFoundError:
            return None

    @contextmanager
    def _locked(self, *, wait: bool) -> Iterator[dict[str, Any] | None]:
        """What was last fetched or sent, path -> [version, sha256], with other processes of this copy kept out; None
        where there is one that is not waited for."""
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._home / LOCK, timeout=-1 if wait else 0):
                synced: dict[str, Any] = {}
                with suppress(OSError, ValueError):
                    synced = json.loads((self._home / STATE).read_text())
                try:
                    yield synced
                finally:
                    write_text_atomically(self._home / STATE, json.dumps(synced))
        except Timeout:
            yield None
        except OSError as error:
            raise IncompleteError(f"{self._home}: {error.strerror or error}; see HF_HOME") from error


@contextmanager
def working_copy(
    given: str | os.PathLike[str] | Url,
    wanted: Wanted,
    *,
    writes: bool = False,
    reads: bool = True,
    removable: Wanted = lambda path: False,
) -> Iterator[WorkingCopy]:
    """A folder that stands for a place while this is open. For a folder here that is the folder itself.

    Args:
        wanted: which files are fetched and sent, by their path in the folder.
        writes: whether what changes is sent.
        reads: whether what is there is fetched.
        removable: files that are removed there when they are removed here.

    Raises:
        UsageError: a URL that names no such place.
        MissingExtraError: the package of its protocol is not installed.
        IncompleteError: it cannot be read or written to. What is raised inside has the place's name for the folder's.
    """
    place = place_of(given)
    if isinstance(place, Path):
        yield WorkingCopy(place, place)
        return
    store = opened(place)
    copy = CopyOfUrl(store, wanted, removable)
    if writes:
        store.check_writable()
    if reads:
        copy.fetch()
    try:
        yield copy
    except BaseException as error:
        if writes and not copy.has_failed:
            with suppress(IncompleteError):
                copy.send()
        if isinstance(error, ShapeAuditError):
            error.args = (str(error).replace(str(copy.folder), str(place)), *error.args[1:])
        raise
    if writes and not copy.has_failed:
        copy.send()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
