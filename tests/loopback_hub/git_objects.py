"""Object ids as git computes them, so that blob ids, tree ids and commit shas are real and repeatable.

A git object's id is the SHA-1 of `<kind> <length>\\0<body>`; only the bodies differ between kinds.
"""

import hashlib
from collections.abc import Iterable
from io import BufferedIOBase
from typing import NamedTuple

FILE_MODE = "100644"
FOLDER_MODE = "40000"


class TreeEntry(NamedTuple):
    """One line of a tree object: a file or a folder, by the name it has in its parent folder."""

    name: str
    mode: str
    oid: str


def blob_oid(stream: BufferedIOBase, size: int) -> str:
    """The id of a file's content, read from `stream` in pieces: `size` bytes need not fit in memory."""
    return hashlib.file_digest(stream, lambda: hashlib.sha1(b"blob %d\0" % size)).hexdigest()


def tree_oid(entries: Iterable[TreeEntry]) -> str:
    """The id of a folder. Git sorts entries by name as if folder names ended in a slash."""
    ordered = sorted(entries, key=lambda entry: entry.name + "/" * (entry.mode == FOLDER_MODE))
    lines = [f"{entry.mode} {entry.name}\0".encode() + bytes.fromhex(entry.oid) for entry in ordered]
    return _object_id("tree", b"".join(lines))


def commit_oid(tree: str, parent: str | None, title: str, timestamp: int) -> str:
    """The sha of a commit by a fixed author: equal content and history give equal shas on every run."""
    signature = f"Loopback Hub <hub@localhost> {timestamp} +0000"
    lines = [f"tree {tree}", f"author {signature}", f"committer {signature}", "", title, ""]
    if parent is not None:
        lines.insert(1, f"parent {parent}")
    return _object_id("commit", "\n".join(lines).encode())


def _object_id(kind: str, body: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body).hexdigest()
