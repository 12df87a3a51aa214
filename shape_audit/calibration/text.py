"""A calibration text, and how rows of a table become one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from shape_audit.errors import IncompleteError

MAX_TEXT_BYTES = 16 * 2**20
"""Of a Hub dataset, rows are read until they make so many bytes: 64 windows need no full download."""

MAX_LOCAL_BYTES = 2**30
"""Of local files, which are read whole."""


@dataclass(frozen=True)
class HubDataset:
    """`org/name[:config][@revision]`."""

    repo_id: str
    config: str | None
    revision: str | None


@dataclass(frozen=True)
class CalibrationText:
    """A text and where it came from.

    Attributes:
        dataset: the name it goes by in records: `builtin:...`, the file's name, or the Hub dataset's.
        content: its UTF-8 bytes.
        config, revision, split: of a Hub dataset; the revision is a commit sha.
        column: of a table, the column it was read from.
    """

    dataset: str
    content: bytes
    config: str | None = None
    revision: str | None = None
    split: str | None = None
    column: str | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def joined_rows(rows: Iterable[str | None]) -> bytes:
    """Rows in order, each that does not end in a line end getting one; null rows are left out."""
    content = bytearray()
    for row in rows:
        if row is not None:
            content += row_bytes(row)
            check_size(content)
    return bytes(content)


def check_size(content: bytes | bytearray) -> None:
    """Raises IncompleteError beyond `MAX_LOCAL_BYTES`: a file of a few KB can unpack to more than there is memory."""
    if len(content) > MAX_LOCAL_BYTES:
        raise IncompleteError(f"more than {MAX_LOCAL_BYTES // 2**20:,} MiB of text; give a part of it")


def row_bytes(row: str) -> bytes:
    """A row with its line end, in UTF-8."""
    return (row if row.endswith(("\n", "\r")) else row + "\n").encode("utf-8", "replace")
