"""Record files: their names, writing them, reading them back with their hash checked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.records.atomic import write_text_atomically
from shape_audit.records.audit_record import SCHEMA_VERSION, AuditRecord
from shape_audit.records.hashing import is_hash_of, sealed, sha256_of
from shape_audit.records.migration import as_schema, migrated
from shape_audit.records.model_ref import ModelRef
from shape_audit.records.reading import read_small_file

LONGEST_NAME = 80
DIGEST_SIGN = "+"
"""Stands before the digest of a name that could not be written as it is; no name that could has one."""


def safe_file_name(name: str, *more: str) -> str:
    """A model's name as part of a file name: no odd characters, so that no name leaves its folder.

    Names that differ give file names that differ: where the name cannot be read back from it, or there is more to tell
    apart, it ends in a digest.

    Args:
        more: what else tells this model from others of its name, such as its subfolder.
    """
    safe = former_file_name(name)
    read_back = re.sub("^builtin-", "builtin:", safe).replace("--", "/")
    if read_back == name and not any(more):
        return safe
    digest = DIGEST_SIGN + sha256_of([name, *more])[:12]
    return safe[: LONGEST_NAME - len(digest)] + digest


def ref_file_name(ref: ModelRef) -> str:
    """The same of a model with its subfolder and variant, each of which is a model of its own."""
    more = {"subfolder": ref.subfolder, "variant": ref.variant}
    return safe_file_name(ref.repo_id, *(f"{name} {value}" for name, value in more.items() if value))


def former_file_name(name: str) -> str:
    """The same as it was before names were told apart: files of then are still found."""
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace("/", "--")).strip(".-") or "model")[:LONGEST_NAME]


def record_file_name(record: AuditRecord) -> str:
    """A name made of the model, its revision, the protocol hash, the number of windows, and what was measured besides:
    an audit that measures less leaves what is there."""
    model = record.model
    is_known = model.source != "memory"  # else two of them would have one name
    name = ref_file_name(model.ref)
    parts = [name, (model.revision if is_known else record.record_sha256)[:12]]
    if record.interaction is None:
        parts.append("shape")
    else:
        measured = "-".join([f"w{record.interaction.windows_used}", *_measured_besides(record)])
        parts += [record.interaction.protocol_hash[:12], measured]
    return "__".join(parts) + ".json"


def _measured_besides(record: AuditRecord) -> list[str]:
    """The options of `audit` that asked for more than the gradients."""
    parts = {
        "skip": record.use is not None and record.use.summary is not None,
        "use": record.use is not None and record.use.sites is not None,
        "nfa": record.weights is not None,
        "spectrum": any(site.spectrum for site in (record.interaction.sites if record.interaction else ())),
    }
    return [name for name, is_there in parts.items() if is_there]


def check_writable(folder: Path, *, what: str = "records", option: str = "--records") -> None:
    """Say early what `write_record` would say late.

    Args:
        what, option: what is to be written there, and how the user chooses another folder.

    Raises:
        IncompleteError: the folder is a file, or may not be made or written to.
    """
    nearest = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if not nearest.is_dir():
        raise IncompleteError(f"{nearest}: {what} could not be written there (not a folder); see {option}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise IncompleteError(f"{nearest}: {what} could not be written there (no permission); see {option}")


def write_record(record: AuditRecord, folder: Path) -> Path:
    """Write a record into a folder (made where absent), atomically, and return the file's path.

    Raises:
        IncompleteError: the folder cannot be written to.
    """
    path = folder / record_file_name(record)
    try:
        write_text_atomically(path, record.model_dump_json(by_alias=True, indent=2) + "\n")
    except OSError as error:
        reason = error.strerror or error
        raise IncompleteError(f"{path}: the record could not be written ({reason}); see --records") from error
    return path


def read_record(path: Path) -> AuditRecord:
    """Read a record and check that nobody has changed it since. One of an earlier schema comes as one of today.

    Raises:
        CorruptFileError: not JSON, not a record of a known schema version, or its hash does not fit its content.
        IncompleteError: the file cannot be read.
    """
    raw = read_small_file(path)
    try:
        content = from_json(raw)  # faster than json, and a board reads thousands
    except ValueError as error:
        raise CorruptFileError(f"{path}: not a JSON file") from error
    version = content.get("schema_version", 0) if isinstance(content, dict) else 0
    if version not in range(1, SCHEMA_VERSION + 1):
        raise CorruptFileError(f"{path}: not an audit record of schema version 1 to {SCHEMA_VERSION}")
    try:
        record = AuditRecord.model_validate(content if version == SCHEMA_VERSION else migrated(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptFileError(f"{path}: not an audit record: {where}: {first['msg']}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise CorruptFileError(f"{path}: not an audit record of schema version {version}") from error
    if not is_hash_of(record.record_sha256, content, lambda: as_schema(version, _json_of(record))):
        raise CorruptFileError(f"{path}: its content does not fit its record_sha256; it was edited by hand")
    return record if version == SCHEMA_VERSION else sealed(record)


def _json_of(record: AuditRecord) -> dict[str, Any]:
    content: dict[str, Any] = record.model_dump(mode="json", by_alias=True)
    return content


def read_record_folder(folder: Path) -> list[AuditRecord]:
    """The records of a folder, by file name.

    Raises:
        UsageError: there is no such folder.
        CorruptFileError: as `read_record`.
    """
    if not folder.is_dir():
        raise UsageError(f"--records {folder}: no such folder")
    return [read_record(path) for path in sorted(folder.glob("*.json"))]
