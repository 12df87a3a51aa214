"""The one way to read a model: all that can be known without its weights, faults as values.

`read_checkpoint` is this, and then the first fault raised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.json_faults import NOT_FETCHED, json_oddities
from shape_audit.hub.json_files import parse_json_object
from shape_audit.hub.names import parse_model
from shape_audit.hub.repository_files import RepositoryFiles, open_repository
from shape_audit.hub.retrying import DEFAULT_RETRIES
from shape_audit.hub.safetensors_header import HeaderError, TensorHeader
from shape_audit.hub.weight_files import (
    ADAPTER_CONFIG,
    CONFIG_FILE,
    SIDE_FILES,
    index_file,
    loaded_files,
    single_file,
)
from shape_audit.records import MAX_SMALL_FILE, ModelRef, Source

FaultKind = Literal[
    "not-safetensors", "size", "offsets", "hole", "duplicate-key", "entry", "json", "lenient-json", "unreadable",
    "outside",
]  # fmt: skip
"""What is wrong with a file; all but the last four are a safetensors header's."""

PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")
JSON_FILES = (
    CONFIG_FILE, "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json",
    "added_tokens.json", ADAPTER_CONFIG, *PROCESSOR_FILES, *SIDE_FILES,
)  # fmt: skip

LARGEST_SETTINGS = 4 * 2**20
LARGEST = {"tokenizer.json": MAX_SMALL_FILE, "model.safetensors.index.json": MAX_SMALL_FILE}
"""Bytes of JSON files; those not named here hold settings."""
MOST_WEIGHT_FILES = 1000
"""Each is a request to the Hub; the largest models have some 200."""


@dataclass(frozen=True)
class Fault:
    """A file that is not what its name says.

    Attributes:
        error: what a reader who cannot do without this file raises; None where the file can be used all the same.
        keys: of a JSON file, those that it is about.
    """

    file: str
    kind: FaultKind
    message: str
    error: Exception | None = field(default=None, compare=False, repr=False)
    keys: tuple[str, ...] = ()

    @property
    def is_not_fetched(self) -> bool:
        """Whether Git LFS has left a pointer in the file's place."""
        return self.message.endswith(NOT_FETCHED)


@dataclass(frozen=True)
class Inspection:
    """A model's files as far as they can be read without loading weights.

    Attributes:
        repository: where they can be had.
        documents: name -> content, of the JSON files that could be read.
        headers: safetensors file -> tensors, of those with a sound header; all there are, loaded or not.
        index_file: the index that goes with the weights, whether there or not.
        weight_map: of the index, tensor -> shard; empty where there is none.
        weight_files: those that transformers would load: the single file, else the index's shards that are there.
        faults: what could not be read, and why.
    """

    repository: RepositoryFiles
    documents: Mapping[str, Mapping[str, Any]]
    headers: Mapping[str, Mapping[str, TensorHeader]]
    index_file: str
    weight_map: Mapping[str, str]
    weight_files: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def ref(self) -> ModelRef:
        return self.repository.ref

    @property
    def repo_id(self) -> str:
        return self.ref.repo_id

    @property
    def source(self) -> Source:
        return self.ref.source

    @property
    def revision(self) -> str | None:
        """The commit of a Hub model; None of a folder, whose fingerprint takes reading."""
        return self.ref.revision

    @property
    def folder(self) -> Path | None:
        return self.repository.folder

    @property
    def files(self) -> Mapping[str, int | None]:
        """Name -> bytes, of what is a file; relative to the model's own folder."""
        return self.repository.sizes

    @property
    def hub_hashes(self) -> Mapping[str, str]:
        """Name -> what the Hub says the file's bytes hash to, by sha256 or as a blob of git; empty of a folder."""
        return self.repository.hashes

    def local(self, name: str) -> Path:
        """A whole file, of a Hub model by downloading it."""
        return self.repository.local(name)

    @property
    def config(self) -> Mapping[str, Any] | None:
        return self.documents.get(CONFIG_FILE)

    @property
    def tensors(self) -> dict[str, TensorHeader]:
        """Of all files that transformers would load, as one mapping; a name in two of them is taken from the last."""
        return {name: tensor for file in self.weight_files for name, tensor in self.headers.get(file, {}).items()}

    def file_of(self, tensor: str) -> str | None:
        """The file that transformers would take a tensor from."""
        return next((file for file in self.weight_files if tensor in self.headers.get(file, {})), None)


def inspect_model(
    model: str | Path | ModelRef, *, retries: int = DEFAULT_RETRIES, only_shape: bool = False
) -> Inspection:
    """Look at the files of a folder, a built-in model, or a Hub repository (headers by range requests).

    Args:
        model: what the user typed, or its parsed form.
        retries: how often to retry after a transient network error.
        only_shape: read config.json, the index, and the headers of the files that transformers would load; no others.

    Raises:
        UsageError: `model` is no possible name.
        IncompleteError: not found, gated, offline, no such folder.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    ref = parse_model(model)
    files = open_repository(ref, retries)
    index = index_file(ref.variant)
    faults = [Fault(name, "outside" if name in files.sizes else "unreadable", what) for name, what in files.odd.items()]
    documents = _documents(files, _of_shape(files, ref.variant) if only_shape else (*JSON_FILES, index), faults)
    weight_map = _weight_map(documents.get(index), index, faults)
    loaded = loaded_files(files.sizes, weight_map, ref.variant)
    listed = loaded if only_shape else sorted(name for name in files.sizes if name.endswith(".safetensors"))
    if len(listed) > MOST_WEIGHT_FILES:
        error = CorruptFileError(f"{index}: {len(listed):,} files of weights; no model has so many")
        faults.append(Fault(index, "json", _without(str(error), index), error))
        loaded = loaded[:MOST_WEIGHT_FILES]
        listed = [] if only_shape else listed[:MOST_WEIGHT_FILES]  # of the shape nothing is said but this error
    headers: dict[str, Mapping[str, TensorHeader]] = {}
    for name, header in files.headers(listed).items():
        if isinstance(header, Mapping):
            headers[name] = header
        else:
            faults.append(_fault_of_header(name, header))
    return Inspection(
        repository=files,
        documents=documents,
        headers=headers,
        index_file=index,
        weight_map=weight_map,
        weight_files=loaded,
        faults=tuple(faults),
    )


def _of_shape(files: RepositoryFiles, variant: str | None) -> tuple[str, ...]:
    """The JSON files that the shape takes: each is a request to the Hub."""
    if CONFIG_FILE not in files.sizes:
        return (ADAPTER_CONFIG,)  # it says what this is instead
    if single_file(variant) in files.sizes:
        return (CONFIG_FILE, *SIDE_FILES)
    index = index_file(variant)
    return (CONFIG_FILE, index if index in files.sizes else ADAPTER_CONFIG, *SIDE_FILES)


def _documents(files: RepositoryFiles, names: Iterable[str], faults: list[Fault]) -> dict[str, Mapping[str, Any]]:
    """The JSON files among these names that can be read; what is wrong with the others goes to the faults."""
    documents: dict[str, Mapping[str, Any]] = {}
    for name in names:
        if name not in files.sizes:
            continue
        try:
            text = files.read(name)
            if len(text) > LARGEST.get(name, LARGEST_SETTINGS):
                raise CorruptFileError(f"{name}: {len(text):,} bytes: no such file is so large")
            documents[name] = parse_json_object(text, file=name)
            if name not in LARGEST:
                faults += [Fault(name, kind, what, keys=keys) for kind, what, keys in json_oddities(text)]
        except CorruptFileError as error:
            faults.append(Fault(name, "json", _without(str(error), name), error))
        except IncompleteError as error:
            faults.append(Fault(name, "unreadable", _without(str(error), name), error))
    return documents


def _fault_of_header(name: str, error: HeaderError | OSError) -> Fault:
    if isinstance(error, HeaderError):
        return Fault(name, error.kind, _without(str(error), name), error)
    if not isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError):
        raise error
    return Fault(name, "unreadable", str(error.strerror), error)


def _weight_map(index: Mapping[str, Any] | None, name: str, faults: list[Fault]) -> dict[str, str]:
    if index is None:
        return {}
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        faults.append(Fault(name, "json", "has no weight_map of tensor names to file names"))
        return {}
    return weight_map


def _without(message: str, name: str) -> str:
    """A message without the file's name before it: a finding says that elsewhere."""
    return message.rpartition(f"{name}: ")[2] if f"{name}: " in message else message
