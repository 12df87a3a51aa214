"""Canonical JSON and the hashes built on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from shape_audit.records.audit_record import AuditRecord


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no white space and shortest round-trip floats; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(value: Any) -> str:
    """sha256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def record_sha256(record: AuditRecord) -> str:
    """Hash of everything a record says, but for the hash itself and, of `environment`, all but the date.

    The date picks the row of a leaderboard among several records of a model, so it is no less than a result.
    """
    return _sealing(record.model_dump(mode="json", by_alias=True))


def findings_sha256(record: AuditRecord) -> str:
    """Hash of what a record says, whenever it was made: equal audits have equal ones."""
    return _without_date(record.model_dump(mode="json", by_alias=True))


def is_hash_of(sha256: str, content: Mapping[str, Any], meant: Callable[[], Mapping[str, Any]]) -> bool:
    """Whether a record's hash is that of its file, or, of a file that lacks keys of today, of what it means.

    Records of before December 2026 were hashed without their date; theirs fits by that rule.

    Args:
        content: the file's JSON.
        meant: gives the same with every key of its schema; only asked where the file alone does not do.
    """
    rules = (_sealing, _without_date)
    try:
        if any(sha256 == rule(content) for rule in rules):
            return True
        every_key = meant()
        return any(sha256 == rule(every_key) for rule in rules)
    except ValueError:  # NaN, or text that is none
        return False


def _sealing(content: Mapping[str, Any]) -> str:
    return sha256_of({**_findings(content), "date": content["environment"]["date"]})


def _without_date(content: Mapping[str, Any]) -> str:
    return sha256_of(_findings(content))


def _findings(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in ("record_sha256", "environment")}


def sealed(record: AuditRecord) -> AuditRecord:
    """The same record with its hash filled in."""
    return record.model_copy(update={"record_sha256": record_sha256(record)})
