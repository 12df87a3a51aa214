"""Small text files of a model's repository: its card, and posted results."""

from __future__ import annotations

from collections.abc import Callable

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.repository_files import RepositoryFiles

MAX_TEXT = 2**20
MAX_TEXTS = 50


def read_texts(repository: RepositoryFiles, wanted: Callable[[str], bool]) -> dict[str, str]:
    """File name -> text, of the files whose names are wanted; those that are too large or no text are left out.

    Of a Hub model one request a file, at its commit, into the Hub's cache; none where it has no such file.

    Raises:
        IncompleteError: offline, and not in the cache.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    sizes = repository.sizes
    names = sorted(name for name in sizes if wanted(name) and (sizes[name] or 0) <= MAX_TEXT)[:MAX_TEXTS]
    if repository.ref.source == "hub" and names:
        inside = repository.ref.subfolder
        repository.fetched([f"{inside}/{name}" if inside else name for name in names])  # several at a time
    found = {}
    for name in names:
        try:
            found[name] = repository.read(name).decode("utf-8")
        except (UnicodeDecodeError, CorruptFileError, IncompleteError):
            continue
    return found
