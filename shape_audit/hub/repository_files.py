"""The files of a model, wherever it lies, before anyone knows whether they are what they should be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from shape_audit.hub.safetensors_header import TensorHeader, read_header
from shape_audit.hub.weight_files import CONFIG_FILE
from shape_audit.records import read_small_file


class RepositoryFiles(Protocol):
    """Where a model's files can be had."""

    @property
    def repo_id(self) -> str | None:
        """As the Hub writes it; None of a folder."""

    @property
    def revision(self) -> str | None:
        """The commit; None of a folder."""

    @property
    def folder(self) -> Path | None:
        """Where they lie; None on the Hub."""

    @property
    def sizes(self) -> Mapping[str, int | None]:
        """Name -> bytes of every regular file; None where the Hub does not say."""

    @property
    def odd(self) -> Mapping[str, str]:
        """Name -> what it is, of what stands where a file could and is none, or leaves the folder."""

    @property
    def sha256(self) -> Mapping[str, str]:
        """Name -> the Hub's own hash of large files."""

    def read(self, name: str) -> bytes:
        """A small file."""

    def header(self, name: str) -> dict[str, TensorHeader]:
        """Of a safetensors file."""

    def local(self, name: str) -> Path:
        """A whole file, on this machine."""


class FolderFiles:
    """Files of a folder."""

    repo_id: str | None = None
    revision: str | None = None
    sha256: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes: dict[str, int | None] = {}
        self.odd: dict[str, str] = {}
        for path in sorted(folder.iterdir()):
            what = _oddity(path, folder)
            if what is not None:
                self.odd[path.name] = what
            if path.is_file():
                self.sizes[path.name] = path.stat().st_size
        for pattern in (CONFIG_FILE, "*.distcp", "*_model_states.pt"):  # models, and shards of FSDP and DeepSpeed
            for path in folder.glob(f"*/{pattern}"):
                self.sizes[f"{path.parent.name}/{path.name}"] = path.stat().st_size

    def read(self, name: str) -> bytes:
        return read_small_file(self.folder / name)

    def header(self, name: str) -> dict[str, TensorHeader]:
        return read_header(self.folder / name)[0]

    def local(self, name: str) -> Path:
        return self.folder / name


def _oddity(path: Path, folder: Path) -> str | None:
    """What is wrong with a name that a model's file could have; None where nothing is."""
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if not target.exists():
            return f"a broken link (to {os.readlink(path)})"
        cache = folder.resolve().parent.parent / "blobs"  # the Hub's cache links its snapshots to blobs beside them
        if not target.is_relative_to(folder.resolve()) and not target.is_relative_to(cache):
            return f"a link out of the folder (to {os.readlink(path)})"
    if path.suffix in (".json", ".safetensors"):
        if path.is_dir():
            return "a folder, not a file"
        if not path.is_file():
            return "not a regular file"
    return None
