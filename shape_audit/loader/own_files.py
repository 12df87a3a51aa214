"""A dataset is the files of its own repository: its card may name others, of this machine or of anybody's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shape_audit.errors import IncompleteError


@contextmanager
def only_own_files() -> Iterator[None]:
    """While open, `datasets` finds no data outside of a dataset's repository or folder.

    A pattern of its card (`data_files`) may be an absolute path, which would make a calibration text of a file of the
    user's, or an address, which another client would ask, whose answers nobody counts. All come through the one
    function that is replaced here.

    Raises:
        IncompleteError: the card names such a file.
    """
    from datasets import data_files

    resolve = data_files.resolve_pattern

    def resolved(pattern: str, base_path: str, *arguments: Any, **settings: Any) -> Any:
        inside = pattern.removeprefix(f"{base_path}/")
        if "://" in inside or "::" in inside or inside.startswith(("/", "~", "\\")) or ".." in inside.split("/"):
            raise IncompleteError(f"the dataset's card names data outside of it ({pattern[:100]!a}); refused")
        return resolve(pattern, base_path, *arguments, **settings)

    data_files.resolve_pattern = resolved
    try:
        yield
    finally:
        data_files.resolve_pattern = resolve
