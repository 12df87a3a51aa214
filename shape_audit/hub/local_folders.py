"""Folders on this machine from which transformers loads: of a Hub model, its files downloaded into the Hub's cache."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from shape_audit.errors import IncompleteError
from shape_audit.hub.checkpoint import Checkpoint
from shape_audit.hub.tokenizer_files import PATTERNS, tokenizer_file_names, tokenizer_pattern_of
from shape_audit.hub.weight_files import CONFIG_FILE, index_file


def config_folder(checkpoint: Checkpoint) -> Path:
    """A folder that holds config.json.

    Raises:
        huggingface_hub errors and httpx2 errors: see `errors.FOREIGN`.
    """
    return _fetched(checkpoint, [CONFIG_FILE])


def weights_folder(checkpoint: Checkpoint) -> Path:
    """A folder that holds config and weights.

    Raises:
        huggingface_hub errors and httpx2 errors: see `errors.FOREIGN`.
    """
    small = {CONFIG_FILE, "generation_config.json", index_file(None), index_file(checkpoint.variant)}
    return _fetched(checkpoint, [*sorted(small & checkpoint.repository.sizes.keys()), *checkpoint.weight_files])


def _fetched(checkpoint: Checkpoint, names: list[str]) -> Path:
    inside = checkpoint.ref.subfolder
    return checkpoint.repository.fetched([f"{inside}/{name}" if inside else name for name in names]) / inside


def tokenizer_folder(checkpoint: Checkpoint) -> Path:
    """A folder that holds config.json and the tokenizer files.

    Of a model in a subfolder, that subfolder if it has a tokenizer of its own, else the root.

    Raises:
        IncompleteError: offline, and not in the cache.
        huggingface_hub errors and httpx2 errors: see `errors.FOREIGN`.
    """
    names: list[str] = []
    if checkpoint.source == "hub":
        from huggingface_hub.constants import is_offline_mode

        wanted = [CONFIG_FILE, *PATTERNS]
        if checkpoint.ref.subfolder:
            wanted += [f"{checkpoint.ref.subfolder}/{name}" for name in wanted]
        files = checkpoint.repository.outside
        names = sorted(name for name in files if any(_matches(name, pattern) for pattern in wanted))
        if not any(tokenizer_pattern_of(name) for name in names) and is_offline_mode():
            raise IncompleteError(
                f"{checkpoint.repo_id}: its tokenizer is not in the cache, and offline mode is on. "
                "Run once without HF_HUB_OFFLINE"
            )
    root = checkpoint.repository.fetched(names)
    folder = root / checkpoint.ref.subfolder
    return folder if tokenizer_file_names(folder) else root


def _matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern, in the same folder."""
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)
