"""Writing a file so that a reader finds the old one or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary file beside `path`, flush it to disk, then rename it.

    Whatever goes wrong (a full disk, Ctrl-C), an earlier file at `path` stays as it was and no temporary file is
    left behind.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    target = Path(os.path.realpath(path))  # what a symbolic link points to is replaced, not the link
    if target.exists() and not target.is_file():  # a device or a pipe cannot be replaced, only written to
        target.write_text(text, encoding="utf-8")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
