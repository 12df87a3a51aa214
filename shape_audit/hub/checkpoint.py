"""A checkpoint as it can be known without its weights, wherever it lies: an inspection without faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError
from shape_audit.hub.fingerprint import folder_revision
from shape_audit.hub.inspection import Inspection, inspect_model
from shape_audit.hub.repository_files import RepositoryFiles
from shape_audit.hub.requested_code import code_notes
from shape_audit.hub.retrying import DEFAULT_RETRIES
from shape_audit.hub.safetensors_header import TensorHeader
from shape_audit.hub.weight_files import (
    ADAPTER_CONFIG,
    CONFIG_FILE,
    SIDE_FILES,
    adapter_notes,
    refuse_missing_weights,
    refuse_what_is_no_model,
    single_file,
)
from shape_audit.records import ModelRef, Source


@dataclass(frozen=True)
class Checkpoint:
    """Config and tensor headers of one model at one revision.

    Attributes:
        ref: which model, at its commit sha or fingerprint (`fingerprint.folder_revision`).
        config: config.json as it stands.
        tensors: tensor name -> dtype and shape, over all weight files.
        weight_files: the safetensors files they were read from.
        side_files: name -> content of JSON files beside the config that say more about the weights.
        repository: where its other files can be had.
    """

    ref: ModelRef
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorHeader]
    weight_files: tuple[str, ...]
    repository: RepositoryFiles
    side_files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the result should know."""
        return (*self.ref.notes, *adapter_notes(self.repository.sizes), *code_notes(self.config))

    @property
    def repo_id(self) -> str:
        return self.ref.repo_id

    @property
    def source(self) -> Source:
        return self.ref.source

    @property
    def revision(self) -> str:
        assert self.ref.revision is not None
        return self.ref.revision

    @property
    def variant(self) -> str | None:
        return self.ref.variant

    @property
    def folder(self) -> Path | None:
        """Where the files lie (the subfolder is part of it); None for a Hub model."""
        return self.repository.folder


def read_checkpoint(model: str | Path | ModelRef, *, retries: int = DEFAULT_RETRIES) -> Checkpoint:
    """Read config and tensor headers of a model: of a folder, a built-in model, or a Hub repository.

    Of a Hub repository no weights are downloaded: headers come by range requests, everything at one commit sha.

    Args:
        model, retries: as for `inspect_model`.

    Raises:
        UsageError: `model` is no possible name.
        IncompleteError: not found, gated, offline, damaged or incomplete.
        NotAuditableError: an adapter, pickled or GGUF weights only.
    """
    return checkpoint_of(inspect_model(model, retries=retries, only_shape=True))


def checkpoint_of(inspection: Inspection) -> Checkpoint:
    """The checkpoint that was inspected.

    Raises:
        IncompleteError, NotAuditableError: the first fault that keeps it from being one.
    """
    ref, repository = inspection.ref, inspection.repository
    adapter = inspection.documents.get(ADAPTER_CONFIG, {})
    refuse_what_is_no_model(inspection.files, ref.repo_id, adapter)
    _raise_fault(inspection, CONFIG_FILE)
    if single_file(ref.variant) not in inspection.files:
        _raise_fault(inspection, inspection.index_file)
    refuse_missing_weights(inspection.files, inspection.weight_map, ref.repo_id, ref.variant, adapter)
    for file in (*inspection.weight_files, *SIDE_FILES):
        _raise_fault(inspection, file)
    if repository.folder is not None:
        headers = repository.raw_headers(inspection.weight_files)
        ref = ref.at(folder_revision(repository.folder, headers, ref.root))
    return Checkpoint(
        ref=ref,
        config=inspection.documents[CONFIG_FILE],
        tensors=merged_tensors({file: inspection.headers[file] for file in inspection.weight_files}),
        weight_files=inspection.weight_files,
        repository=repository,
        side_files={name: inspection.documents[name] for name in SIDE_FILES if name in inspection.documents},
    )


def _raise_fault(inspection: Inspection, file: str) -> None:
    for fault in inspection.faults:
        if fault.file == file and fault.error is not None:
            raise fault.error


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
