"""Writing a file so that a reader finds the old one or the new one, never half of it."""

from __future__ import annotations

import glob
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

LEFT_BEHIND_SECONDS = 3600
"""No write takes so long: a temporary file of this age has no writer any more."""


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text as `write_bytes_atomically` does."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file beside `path`, flush it to disk, then rename it.

    Whatever goes wrong (a full disk, Ctrl-C), an earlier file at `path` stays as it was and no temporary file is
    left behind.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    target = Path(os.path.realpath(path))  # what a symbolic link points to is replaced, not the link
    if target.exists() and not target.is_file():  # a device or a pipe cannot be replaced, only written to
        target.write_bytes(content)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sweep(target: Path) -> None:
    """Remove what writers of this file left behind that were killed half-way, an hour ago or longer.

    By age, not by whether their process lives: on a shared folder it may live on another machine.
    """
    for left in target.parent.glob(f".{glob.escape(target.name[:100])}.*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_BEHIND_SECONDS:
                left.unlink()
