"""The revision of a folder or built-in model, which has no commit sha."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shape_audit.hub.followed_files import followed_files
from shape_audit.hub.tokenizer_files import add_file, tokenizer_file_names
from shape_audit.hub.weight_files import CONFIG_FILE

if TYPE_CHECKING:
    from hashlib import _Hash

PIECES = 64
PIECE_BYTES = 64 * 1024
LARGEST_WHOLE = 64 * 2**20
"""Bytes up to which a file that is not weights is read whole; of a larger one, pieces are."""


def folder_revision(folder: Path, raw_headers: Mapping[str, bytes], root: Path | None = None) -> str:
    """sha256 (hex) over what makes a checkpoint the one it is, without reading all of it.

    Names and bytes of the config, the tokenizer files, and all else that loading can follow (`followed_files`); of each
    safetensors file its name, size, header and 64 evenly spaced pieces of 64 KiB. A retrained checkpoint of equal shape
    gives another hash, a copy the same.

    Args:
        folder: where the files lie.
        raw_headers: safetensors file name -> raw header bytes.
        root: the folder that this one is a subfolder of, whose tokenizer is used where this one has none.
    """
    digest = hashlib.sha256()
    small = [CONFIG_FILE, *tokenizer_file_names(folder)]
    for name in small:
        _add(digest, folder, name)
    for name, raw_header in sorted(raw_headers.items()):
        _add_pieces(digest, folder, name, raw_header)
    for name in followed_files(folder):  # after the others: a folder without such files keeps its revision
        if name not in small and name not in raw_headers:
            _add(digest, folder, name)
    if root is not None and len(small) == 1 and root != folder:
        for name in tokenizer_file_names(root):
            _add(digest, root, name)
    return digest.hexdigest()


def _add(digest: _Hash, folder: Path, name: str) -> None:
    if (folder / name).stat().st_size <= LARGEST_WHOLE:
        add_file(digest, folder, name)
    else:
        _add_pieces(digest, folder, name)


def _add_pieces(digest: _Hash, folder: Path, name: str, raw_header: bytes = b"") -> None:
    size = (folder / name).stat().st_size
    digest.update(os.fsencode(name) + f"\0{size}\0".encode())
    digest.update(raw_header)
    with (folder / name).open("rb") as stream:
        for piece in range(PIECES):
            stream.seek((size - PIECE_BYTES) * piece // (PIECES - 1) if size > PIECE_BYTES else 0)
            digest.update(stream.read(PIECE_BYTES))
            if size <= PIECE_BYTES:
                break
