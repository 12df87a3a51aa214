"""The tokenizer's files: which they are, where they lie, and the hash that identifies them."""

from __future__ import annotations

import hashlib
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from shape_audit.errors import IncompleteError
from shape_audit.hub.downloads import download_files
from shape_audit.hub.retrying import DEFAULT_RETRIES

if TYPE_CHECKING:
    from shape_audit.hub.checkpoint import Checkpoint

PATTERNS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
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
        content = (folder / name).read_bytes()
        digest.update(os.fsencode(name) + f"\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def tokenizer_folder(checkpoint: Checkpoint, *, retries: int = DEFAULT_RETRIES) -> Path:
    """A folder that holds config.json and the tokenizer files; of a Hub model, downloaded into the Hub's cache.

    Of a model in a subfolder, that subfolder if it has a tokenizer of its own, else the root.

    Raises:
        huggingface_hub errors and httpx2 errors: see `errors.FOREIGN`.
    """
    if checkpoint.folder is None:
        from huggingface_hub.constants import is_offline_mode

        inside = f"{checkpoint.subfolder}/" if checkpoint.subfolder else ""
        wanted = ["config.json", *PATTERNS, *(inside + name for name in ("config.json", *PATTERNS))]
        names = sorted(name for name in checkpoint.files if any(_matches(name, pattern) for pattern in wanted))
        if not any(tokenizer_pattern_of(name) for name in names) and is_offline_mode():
            raise IncompleteError(
                f"{checkpoint.repo_id}: its tokenizer is not in the cache, and offline mode is on. "
                "Run once without HF_HUB_OFFLINE"
            )
        root = download_files(checkpoint.repo_id, checkpoint.revision, names, retries=retries)
        folder = root / checkpoint.subfolder
    else:
        folder = checkpoint.folder
        root = folder.parents[checkpoint.subfolder.count("/")] if checkpoint.subfolder else folder
    return folder if tokenizer_file_names(folder) else root


def tokenizer_pattern_of(name: str) -> str | None:
    """The pattern that makes a file one of a tokenizer; None where it is none."""
    return next((pattern for pattern in PATTERNS if fnmatch(name.rpartition("/")[2], pattern)), None)


def _matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern, in the same folder."""
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)
