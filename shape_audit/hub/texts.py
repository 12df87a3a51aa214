"""Small text files of a model's repository: its card, and posted results."""

from __future__ import annotations

import json
from collections.abc import Callable

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.repository_files import RepositoryFiles

MAX_TEXT = 2**20
MAX_TEXTS = 50


def read_texts(repository: RepositoryFiles, wanted: Callable[[str], bool]) -> tuple[dict[str, str], dict[str, str]]:
    """(file name -> text, file name -> why it is not read), of the files whose names are wanted.

    Of a Hub model one request a file, at its commit, into the Hub's cache; none where it has no such file.

    Raises:
        IncompleteError: offline, and not in the cache.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    sizes = repository.sizes
    found: dict[str, str] = {}
    unread: dict[str, str] = {}
    names: list[str] = []
    for name in sorted(filter(wanted, sizes)):
        if (sizes[name] or 0) > MAX_TEXT:
            unread[name] = f"more than {MAX_TEXT // 2**20} MiB, too large for what it should be"
        elif len(names) == MAX_TEXTS:
            unread[name] = f"{MAX_TEXTS} files were read before it"
        else:
            names.append(name)
    if repository.ref.source == "hub" and names:
        inside = repository.ref.subfolder
        repository.fetched([f"{inside}/{name}" if inside else name for name in names])  # several at a time
    for name in names:
        try:
            found[name] = _decoded(repository.read(name))
        except UnicodeDecodeError:
            unread[name] = "not in an encoding of Unicode"
        except (CorruptFileError, IncompleteError):
            unread[name] = "it cannot be read"
    return found, unread


def _decoded(raw: bytes) -> str:
    """A text in UTF-8, 16 or 32, which YAML and JSON tell apart in the same way, without its byte-order mark."""
    return raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")
