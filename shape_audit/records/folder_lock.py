"""One run at a time in a folder: a lock that the operating system releases when its holder dies, however it dies."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError


class FolderLock:
    """The lock of a folder, and a note beside it of who holds it."""

    def __init__(self, folder: Path, *, what: str, option: str) -> None:
        """
        Args:
            what: what is at work there, for the message.
            option: the one that names the folder.
        """
        self._folder, self._what, self._option = folder, what, option
        self._lock: Any = None

    def lock(self) -> None:
        """Keep other runs away until `unlock`, or until this process ends; makes the folder.

        Raises:
            IncompleteError: another run holds the lock (it is named), or the folder cannot be made.
        """
        from filelock import FileLock, Timeout

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / "lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise IncompleteError(f"another run of {self._what} is at work ({self._holder()})") from error
        except OSError as error:
            raise IncompleteError(f"{self._folder}: {error.strerror or error}; see {self._option}") from error
        self._lock = lock
        now = datetime.now(UTC).isoformat(timespec="seconds")
        (self._folder / "holder").write_text(f"process {os.getpid()} on {socket.gethostname()} since {now}")

    def unlock(self) -> None:
        """Let others in; nothing where the lock is not held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _holder(self) -> str:
        try:
            return (self._folder / "holder").read_text()
        except OSError:
            return "it does not say which"
