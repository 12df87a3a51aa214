"""A checkpoint as it can be known without its weights, wherever it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError
from shape_audit.hub.fingerprint import folder_revision
from shape_audit.hub.names import ModelName, Source, parse_model_name
from shape_audit.hub.retrying import DEFAULT_RETRIES
from shape_audit.hub.safetensors_header import TensorHeader, read_header
from shape_audit.hub.weight_files import (
    CONFIG_FILE,
    adapter_notes,
    parse_json_object,
    read_side_files,
    refuse_what_is_no_model,
    weight_files,
)
from shape_audit.records import read_small_file


@dataclass(frozen=True)
class Checkpoint:
    """Config and tensor headers of one model at one revision.

    Attributes:
        repo_id: `org/name`, the folder's name, or `builtin:NAME`.
        revision: commit sha, or for a folder the hash of `fingerprint.folder_revision`.
        config: config.json as it stands.
        tensors: tensor name -> dtype and shape, over all weight files.
        weight_files: the safetensors files they were read from.
        files: of a Hub model, the names of all files of the repository; offline, of those in the cache.
        folder: where the files lie (the subfolder is part of it); None for a Hub model.
        subfolder, variant: as the user chose them, see `ModelName`.
        notes: what a reader of the result should know.
        side_files: name -> content of JSON files beside the config that say more about the weights.
    """

    repo_id: str
    source: Source
    revision: str
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorHeader]
    weight_files: tuple[str, ...]
    files: frozenset[str] = frozenset()
    folder: Path | None = None
    subfolder: str = ""
    variant: str | None = None
    notes: tuple[str, ...] = ()
    side_files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_checkpoint(
    name: str | ModelName,
    *,
    subfolder: str | None = None,
    variant: str | None = None,
    retries: int = DEFAULT_RETRIES,
) -> Checkpoint:
    """Read config and tensor headers of a model: of a folder, a built-in model, or a Hub repository.

    Of a Hub repository no weights are downloaded: headers come by range requests, everything at one commit sha.

    Args:
        name: what the user typed, or its parsed form.
        subfolder: where the model lies inside the repository or folder.
        variant: of the weight files: `fp16` for model.fp16.safetensors.
        retries: how often to try again after a passing fault of the network.

    Raises:
        UsageError: `name` is no possible name.
        IncompleteError: not found, gated, offline, damaged or incomplete.
        NotAuditableError: an adapter, pickled or GGUF weights only.
    """
    model = (parse_model_name(name) if isinstance(name, str) else name).placed(subfolder, variant)
    if model.source == "hub":
        from shape_audit.hub.hub_repository import read_hub_repository

        return Checkpoint(
            source="hub",
            subfolder=model.subfolder,
            variant=model.variant,
            **read_hub_repository(model, retries),
        )
    return _read_folder(model)


def _read_folder(model: ModelName) -> Checkpoint:
    assert model.folder is not None
    folder = model.folder / model.subfolder
    if not folder.is_dir():
        raise IncompleteError(f"{model.repo_id}: has no subfolder {model.subfolder}")
    files = {path.name for path in folder.iterdir() if path.is_file()}
    files |= {f"{path.parent.name}/{CONFIG_FILE}" for path in folder.glob(f"*/{CONFIG_FILE}")}

    def read(name: str) -> bytes:
        return read_small_file(folder / name)

    refuse_what_is_no_model(files, model.repo_id, read)
    config = parse_json_object(read(CONFIG_FILE), file=CONFIG_FILE)
    names = weight_files(files, model.repo_id, read, variant=model.variant)
    headers = {name: read_header(folder / name) for name in names}
    return Checkpoint(
        repo_id=model.repo_id,
        source=model.source,
        revision=folder_revision(folder, {name: raw for name, (_, raw) in headers.items()}),
        config=config,
        tensors=merged_tensors({name: tensors for name, (tensors, _) in headers.items()}),
        weight_files=names,
        folder=folder,
        subfolder=model.subfolder,
        variant=model.variant,
        notes=(*model.notes, *adapter_notes(files)),
        side_files=read_side_files(files, read),
    )


def merged_tensors(by_file: Mapping[str, Mapping[str, TensorHeader]]) -> dict[str, TensorHeader]:
    """The tensors of all shards as one mapping.

    Raises:
        IncompleteError: a tensor stands in two shards.
    """
    merged: dict[str, TensorHeader] = {}
    for file, tensors in by_file.items():
        for name, header in tensors.items():
            if name in merged:
                raise IncompleteError(f"{file}: tensor {name} stands in another shard too")
            merged[name] = header
    return merged
