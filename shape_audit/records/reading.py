"""Reading a small file whose path or content came from outside: a regular file, of a size that can be meant."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from shape_audit.errors import CorruptFileError, IncompleteError

MAX_SMALL_FILE = 64 * 2**20
"""Bytes. Configs, indexes, records, intervals and windows files stay far below."""


def read_small_file(path: Path, *, limit: int = MAX_SMALL_FILE) -> bytes:
    """The bytes of a regular file.

    Raises:
        IncompleteError: it cannot be read, or is a folder, a pipe or a device, which might never end.
        CorruptFileError: it is larger than `limit` bytes.
    """
    try:
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise IncompleteError(f"{path}: not a regular file")
            content = stream.read(limit + 1)
    except OSError as error:
        raise IncompleteError(f"{path}: {error.strerror or error}") from error
    if len(content) > limit:
        raise CorruptFileError(f"{path}: larger than {limit // 2**20} MiB: not the kind of file this should be")
    return content


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML document whose whole numbers are ones that can be meant: others can be read, and not be written again.

    Raises:
        ValueError: not TOML, or such a number.
        RecursionError: nested beyond reason.
    """
    import tomllib

    content = tomllib.loads(text)
    todo: list[Any] = [content]
    while todo:
        value = todo.pop()
        if isinstance(value, dict | list):
            todo += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:  # what TOML asks of its readers
            raise ValueError("it holds an implausible number")
    return content
