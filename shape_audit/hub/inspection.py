"""All that can be known of a model without its weights, faults included: where `read_checkpoint` stops at the first
thing that is wrong, this goes on and lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.json_faults import json_oddities
from shape_audit.hub.names import ModelName, Source, parse_model_name
from shape_audit.hub.repository_files import FolderFiles, RepositoryFiles
from shape_audit.hub.retrying import DEFAULT_RETRIES
from shape_audit.hub.safetensors_header import HeaderError, TensorHeader
from shape_audit.hub.weight_files import (
    ADAPTER_CONFIG,
    CONFIG_FILE,
    SIDE_FILES,
    index_file,
    parse_json_object,
    single_file,
)
from shape_audit.records import MAX_SMALL_FILE

FaultKind = Literal[
    "not-safetensors", "size", "offsets", "hole", "duplicate-key", "entry", "json", "lenient-json", "unreadable",
    "outside",
]  # fmt: skip
"""What is wrong with a file; all but the last four are a safetensors header's."""

JSON_FILES = (
    CONFIG_FILE, "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json",
    "added_tokens.json", ADAPTER_CONFIG, *SIDE_FILES,
)  # fmt: skip

LARGEST_SETTINGS = 4 * 2**20
LARGEST = {"tokenizer.json": MAX_SMALL_FILE, "model.safetensors.index.json": MAX_SMALL_FILE}
"""Bytes of JSON files; those not named here hold settings."""


@dataclass(frozen=True)
class Fault:
    """A file that is not what its name says."""

    file: str
    kind: FaultKind
    message: str


@dataclass(frozen=True)
class Inspection:
    """A model's files as far as they can be read without loading weights.

    Attributes:
        files: name -> bytes, of what is a file; relative to the model's own folder.
        documents: name -> content, of the JSON files that could be read.
        headers: safetensors file -> tensors, of those with a sound header; all there are, loaded or not.
        index_file: the index that goes with the weights, whether there or not.
        weight_map: of the index, tensor -> shard; empty where there is none.
        weight_files: those that transformers would load: the single file, else the index's shards that are there.
        faults: what could not be read, and why.
        hub_sha256: name -> what the Hub says the file's bytes hash to; empty of a folder.
        local: gives a whole file, of a Hub model by downloading it.
    """

    repo_id: str
    source: Source
    revision: str | None
    folder: Path | None
    files: Mapping[str, int | None]
    documents: Mapping[str, Mapping[str, Any]]
    headers: Mapping[str, Mapping[str, TensorHeader]]
    index_file: str
    weight_map: Mapping[str, str]
    weight_files: tuple[str, ...]
    faults: tuple[Fault, ...]
    hub_sha256: Mapping[str, str] = field(default_factory=dict)
    local: Callable[[str], Path] = field(default=Path, repr=False)

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
    name: str | ModelName, *, subfolder: str | None = None, variant: str | None = None, retries: int = DEFAULT_RETRIES
) -> Inspection:
    """Look at every file of a folder, a built-in model, or a Hub repository (headers by range requests).

    Raises:
        UsageError: `name` is no possible name.
        IncompleteError: not found, gated, offline, no such folder.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    model = (parse_model_name(name) if isinstance(name, str) else name).placed(subfolder, variant)
    if model.source == "hub":
        from shape_audit.hub.hub_repository import HubFiles

        return _inspected(HubFiles.of(model, retries), model)
    assert model.folder is not None
    folder = model.folder / model.subfolder
    if not folder.is_dir():
        raise IncompleteError(f"{model.repo_id}: has no subfolder {model.subfolder}")
    return _inspected(FolderFiles(folder), model)


def _inspected(files: RepositoryFiles, model: ModelName) -> Inspection:
    faults = [Fault(name, "outside" if name in files.sizes else "unreadable", what) for name, what in files.odd.items()]
    documents: dict[str, Mapping[str, Any]] = {}
    index = index_file(model.variant)
    for name in (*JSON_FILES, index):
        if name in files.sizes:
            try:
                text = files.read(name)
                if len(text) > LARGEST.get(name, LARGEST_SETTINGS):
                    raise CorruptFileError(f"{len(text):,} bytes: no such file is so large")
                documents[name] = parse_json_object(text, file=name)
                if name not in LARGEST:
                    faults += [Fault(name, kind, what) for kind, what in json_oddities(text)]
            except CorruptFileError as error:
                faults.append(Fault(name, "json", _without(str(error), name)))
            except IncompleteError as error:
                faults.append(Fault(name, "unreadable", _without(str(error), name)))
    headers: dict[str, Mapping[str, TensorHeader]] = {}
    for name in sorted(files.sizes):
        if name.endswith(".safetensors"):
            found = _header(files, name)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                headers[name] = found
    weight_map = _weight_map(documents.get(index), index, faults)
    single = single_file(model.variant)
    listed = sorted(set(weight_map.values()))
    shards = [shard for shard in listed if shard in files.sizes and shard.endswith(".safetensors")]
    return Inspection(
        repo_id=files.repo_id or model.repo_id,
        source=model.source,
        revision=files.revision,
        folder=files.folder,
        files=dict(files.sizes),
        documents=documents,
        headers=headers,
        index_file=index,
        weight_map=weight_map,
        weight_files=(single,) if single in files.sizes else tuple(shards),
        faults=tuple(faults),
        hub_sha256=files.sha256,
        local=files.local,
    )


def _header(files: RepositoryFiles, name: str) -> Mapping[str, TensorHeader] | Fault:
    try:
        return files.header(name)
    except HeaderError as error:
        return Fault(name, error.kind, _without(str(error), name))
    except OSError as error:
        if not isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError):
            raise
        return Fault(name, "unreadable", str(error.strerror))


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
