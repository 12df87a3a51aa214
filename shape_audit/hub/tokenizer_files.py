"""The tokenizer's files: which they are, and the hash that identifies them."""

from __future__ import annotations

import hashlib
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

PATTERNS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "tekken.json",
)
"""Files a transformers tokenizer is made from (root of the repository only)."""


def tokenizer_file_names(folder: Path) -> list[str]:
    """Names of the tokenizer files that a folder holds, sorted."""
    names = (path.name for path in folder.iterdir() if path.is_file())
    return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in PATTERNS))


def tokenizer_sha256(folder: Path) -> str:
    """sha256 over names and bytes of the tokenizer files of a folder."""
    digest = hashlib.sha256()
    for name in tokenizer_file_names(folder):
        add_file(digest, folder, name)
    return digest.hexdigest()


def add_file(digest: _Hash, folder: Path, name: str) -> None:
    """Add name, length and bytes of a file to a hash, however large it is, a piece at a time."""
    with (folder / name).open("rb") as stream:
        digest.update(os.fsencode(name) + f"\0{os.fstat(stream.fileno()).st_size}\0".encode())
        while piece := stream.read(2**20):
            digest.update(piece)


def tokenizer_pattern_of(name: str) -> str | None:
    """The pattern that makes a file one of a tokenizer; None where it is none."""
    return next((pattern for pattern in PATTERNS if fnmatch(name.rpartition("/")[2], pattern)), None)
