"""Record files: their names, writing them, reading them back with their hash checked."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.records.atomic import write_text_atomically
from shape_audit.records.audit_record import SCHEMA_VERSION, AuditRecord
from shape_audit.records.hashing import content_sha256, sealed
from shape_audit.records.migration import as_schema_1, from_schema_1
from shape_audit.records.reading import read_small_file


def safe_file_name(name: str) -> str:
    """A model's name as part of a file name: no odd characters, so that no name leaves its folder."""
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace("/", "--")).strip(".-") or "model")[:80]


def record_file_name(record: AuditRecord) -> str:
    """A name made of the model, its revision, the protocol hash and the number of windows."""
    is_known = record.model.source != "memory"  # else two of them would have one name
    parts = [safe_file_name(record.model.repo_id), (record.model.revision if is_known else record.record_sha256)[:12]]
    if record.interaction is None:
        parts.append("shape")
    else:
        parts += [record.interaction.protocol_hash[:12], f"w{record.interaction.windows_used}"]
    return "__".join(parts) + ".json"


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
        content = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not a JSON file") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in (1, SCHEMA_VERSION):
        raise CorruptFileError(f"{path}: not an audit record of schema version 1 to {SCHEMA_VERSION}")
    try:
        current = raw if version == SCHEMA_VERSION else json.dumps(from_schema_1(content))
        record = AuditRecord.model_validate_json(current)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptFileError(f"{path}: not an audit record: {where}: {first['msg']}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise CorruptFileError(f"{path}: not an audit record of schema version 1") from error
    if not _fits(content, record):
        raise CorruptFileError(f"{path}: its content does not fit its record_sha256; it was edited by hand")
    return record if version == SCHEMA_VERSION else sealed(record)


def read_record_folder(folder: Path) -> list[AuditRecord]:
    """The records of a folder, by file name.

    Raises:
        UsageError: there is no such folder.
        CorruptFileError: as `read_record`.
    """
    if not folder.is_dir():
        raise UsageError(f"--records {folder}: no such folder")
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def _fits(content: Any, record: AuditRecord) -> bool:
    """Whether a record's hash is that of its file, or, of a file that lacks keys of its schema, of what it means."""
    meant = record.model_dump(mode="json", by_alias=True)
    if content["schema_version"] == 1:
        meant = as_schema_1(meant)
    try:
        return record.record_sha256 in (content_sha256(content), content_sha256(meant))
    except ValueError:  # NaN, or text that is none
        return False
