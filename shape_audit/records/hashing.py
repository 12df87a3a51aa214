"""Canonical JSON and the hashes built on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shape_audit.records.audit_record import AuditRecord


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no white space and shortest round-trip floats; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(value: Any) -> str:
    """sha256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def record_sha256(record: AuditRecord) -> str:
    """Hash of everything a record says, but for the hash itself and `environment`."""
    return sha256_of(record.model_dump(mode="json", by_alias=True, exclude={"record_sha256", "environment"}))


def content_sha256(content: Mapping[str, Any]) -> str:
    """The same of a record's JSON as it stands in its file: equal where the file has every key that there is today."""
    return sha256_of({key: value for key, value in content.items() if key not in ("record_sha256", "environment")})


def sealed(record: AuditRecord) -> AuditRecord:
    """The same record with its hash filled in."""
    return record.model_copy(update={"record_sha256": record_sha256(record)})
