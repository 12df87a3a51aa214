"""Files of a folder or built-in model; see `repository_files.RepositoryFiles`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from shape_audit.hub.repository_facts import RepositoryFacts
from shape_audit.hub.safetensors_header import HeaderError, TensorHeader, read_header
from shape_audit.hub.weight_files import CONFIG_FILE
from shape_audit.records import ModelRef, read_small_file

INSIDE = (f"*/{CONFIG_FILE}", "*/*.distcp", "*/*_model_states.pt", ".eval_results/*")
"""What is of interest one folder down: models, shards of FSDP and DeepSpeed, posted results."""
UNLOADED = frozenset({".git", ".cache"})
"""Folders of git and of the Hub's client, which no library loads a model from."""
MOST_FILES = 100_000


class FolderFiles:
    """Files of a folder on this machine."""

    hashes: Mapping[str, str] = {}
    outside: frozenset[str] = frozenset()
    facts = RepositoryFacts()

    def __init__(self, ref: ModelRef) -> None:
        """
        Args:
            ref: of a folder that is there.
        """
        assert ref.root is not None
        self.ref, self.folder = ref, ref.root / ref.subfolder
        self.sizes: dict[str, int | None] = {}
        self.odd: dict[str, str] = {}
        self._raw: dict[str, bytes] = {}
        for path in sorted(self.folder.iterdir()):
            what = _oddity(path, self.folder)
            if what is not None:
                self.odd[path.name] = what
            if path.is_file():
                self.sizes[path.name] = path.stat().st_size
        for pattern in INSIDE:
            for path in filter(Path.is_file, self.folder.glob(pattern)):
                self.sizes[f"{path.parent.name}/{path.name}"] = path.stat().st_size

    @cached_property
    def everything(self) -> Mapping[str, int | None]:
        found: dict[str, int | None] = {}
        for path, folders, names in os.walk(self.folder):
            folders[:] = sorted(set(folders) - UNLOADED)
            files = (Path(path) / name for name in sorted(names)[: MOST_FILES - len(found)])
            found |= {file.relative_to(self.folder).as_posix(): file.stat().st_size for file in files if file.is_file()}
        return found

    def read(self, name: str) -> bytes:
        return read_small_file(self.folder / name)

    def part(self, name: str, begin: int, end: int) -> bytes:
        with (self.folder / name).open("rb") as stream:
            stream.seek(begin)
            return stream.read(end - begin)

    def headers(self, names: Iterable[str]) -> dict[str, Mapping[str, TensorHeader] | HeaderError | OSError]:
        return {name: self._header(name) for name in names}

    def raw_headers(self, names: Iterable[str]) -> dict[str, bytes]:
        self.headers(name for name in names if name not in self._raw)
        return {name: self._raw[name] for name in names}

    def local(self, name: str) -> Path:
        return self.folder / name

    def fetched(self, names: Iterable[str]) -> Path:
        assert self.ref.root is not None
        return self.ref.root

    def _header(self, name: str) -> Mapping[str, TensorHeader] | HeaderError | OSError:
        try:
            tensors, self._raw[name] = read_header(self.folder / name)
        except (HeaderError, OSError) as error:
            return error
        return tensors


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
