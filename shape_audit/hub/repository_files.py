"""The files of a model, wherever it lies, before anyone knows whether they are what they should be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from shape_audit.errors import IncompleteError
from shape_audit.hub.folder_files import FolderFiles
from shape_audit.hub.repository_facts import RepositoryFacts
from shape_audit.hub.safetensors_header import HeaderError, TensorHeader
from shape_audit.records import ModelRef

Header = Mapping[str, TensorHeader] | HeaderError | OSError
"""Tensor name -> dtype and shape; or why the file's header cannot be read."""


class RepositoryFiles(Protocol):
    """Where a model's files can be had. Names are relative to the model's own folder, the subfolder."""

    @property
    def ref(self) -> ModelRef:
        """The model as it was found: on the Hub at its commit and by its own spelling."""

    @property
    def folder(self) -> Path | None:
        """Where they lie; None on the Hub."""

    @property
    def sizes(self) -> Mapping[str, int | None]:
        """Name -> bytes of every regular file; None where the Hub does not say."""

    @property
    def everything(self) -> Mapping[str, int | None]:
        """The same of all files in all subfolders; symbolic links to folders are not followed."""

    @property
    def outside(self) -> frozenset[str]:
        """Names of all files from the root of the Hub's repository; empty of a folder."""

    @property
    def odd(self) -> Mapping[str, str]:
        """Name -> what it is, of what stands where a file could and is none, or leaves the folder."""

    @property
    def hashes(self) -> Mapping[str, str]:
        """Name -> the Hub's own hash of a file: sha256 of large ones, git's blob id of those that git itself keeps."""

    @property
    def facts(self) -> RepositoryFacts:
        """What the Hub says of it; nothing of a folder."""

    def read(self, name: str) -> bytes:
        """A small file."""

    def part(self, name: str, begin: int, end: int) -> bytes:
        """Bytes [begin, end) of a file, fewer where it ends before; of a Hub model by a range request."""

    def headers(self, names: Iterable[str]) -> dict[str, Header]:
        """Of safetensors files, in this order."""

    def raw_headers(self, names: Iterable[str]) -> dict[str, bytes]:
        """The same as bytes, for a folder's fingerprint; empty of a Hub model, which has a commit."""

    def local(self, name: str) -> Path:
        """A whole file, on this machine."""

    def fetched(self, names: Iterable[str]) -> Path:
        """The root of a folder on this machine that holds these files, named from the repository's root."""


def open_repository(ref: ModelRef, retries: int) -> RepositoryFiles:
    """Find a model's files: one request resolves the revision of a Hub model and lists them.

    Raises:
        IncompleteError: not found, gated, offline, no such subfolder.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    if ref.source == "hub":
        from shape_audit.hub.hub_files import HubFiles

        return HubFiles.of(ref, retries)
    assert ref.root is not None
    if not (ref.root / ref.subfolder).is_dir():
        raise IncompleteError(f"{ref.repo_id}: has no subfolder {ref.subfolder}")
    return FolderFiles(ref)
