"""The revision of a folder or built-in model, which has no commit sha."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from shape_audit.hub.tokenizer_files import tokenizer_file_names
from shape_audit.hub.weight_files import CONFIG_FILE

PIECES = 64
PIECE_BYTES = 64 * 1024


def folder_revision(folder: Path, raw_headers: Mapping[str, bytes]) -> str:
    """sha256 (hex) over what makes a checkpoint the one it is, without reading all of it.

    Names and bytes of the config and tokenizer files; of each safetensors file its name, size, header and 64 evenly
    spaced pieces of 64 KiB. A retrained checkpoint of equal shape gives another hash, a copy the same.

    Args:
        folder: where the files lie.
        raw_headers: safetensors file name -> raw header bytes.
    """
    digest = hashlib.sha256()
    for name in [CONFIG_FILE, *tokenizer_file_names(folder)]:
        content = (folder / name).read_bytes()
        digest.update(os.fsencode(name) + f"\0{len(content)}\0".encode())
        digest.update(content)
    for name, raw_header in sorted(raw_headers.items()):
        size = (folder / name).stat().st_size
        digest.update(os.fsencode(name) + f"\0{size}\0".encode())
        digest.update(raw_header)
        with (folder / name).open("rb") as stream:
            for piece in range(PIECES):
                stream.seek((size - PIECE_BYTES) * piece // (PIECES - 1) if size > PIECE_BYTES else 0)
                digest.update(stream.read(PIECE_BYTES))
                if size <= PIECE_BYTES:
                    break
    return digest.hexdigest()
