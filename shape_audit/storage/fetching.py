"""Files that are only read: brought here from a URL, as far as they have changed since last time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from shape_audit.errors import IncompleteError
from shape_audit.places import Url, place_of


def fetched(given: str | Path, suffixes: Collection[str]) -> Path:
    """A file or folder of a URL, here; what is a path already is given back.

    Args:
        suffixes: of the files that are wanted; a URL that ends in one of these is of a file.

    Raises:
        UsageError, MissingExtraError, IncompleteError: it cannot be read.
    """
    place = place_of(given)
    if isinstance(place, Path):
        return Path(given)
    from shape_audit.storage.working_copies import working_copy

    folder, slash, file = place.path.rpartition("/")
    if not (slash and file.endswith(tuple(suffixes))):
        with working_copy(place, lambda path: path.endswith(tuple(suffixes))) as copy:
            return copy.folder
    with working_copy(Url(place.protocol, folder), lambda path: path == file) as copy:
        if not (copy.folder / file).is_file():
            raise IncompleteError(f"{place}: no such file")
        return copy.folder / file
