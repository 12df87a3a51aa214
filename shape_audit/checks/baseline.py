"""A baseline: today's findings, accepted, so that only new ones count."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.records import CheckReport, Finding, read_small_file, write_text_atomically

VERSION = 1
REASON = "in the baseline"
KEYS = ("fingerprint", "rule", "file", "place")
"""What of a finding the file has; all but the first are for readers."""


def write_baseline(report: CheckReport, path: Path) -> list[Finding]:
    """Write the fingerprints of a report's findings, those accepted by an earlier baseline too; returns all of them.

    What the file accepted before stays in it: that this report has no such finding may be due to another model, or to
    rules that did not run. Whoever wants to begin anew deletes the file.

    Raises:
        CorruptFileError: what is there is no baseline.
        IncompleteError: the file cannot be read or written.
    """
    old = [accepted.finding for accepted in report.accepted if accepted.reason == REASON]
    findings = [*report.findings, *old]
    found = {one.fingerprint: {key: getattr(one, key) for key in KEYS} for one in findings}
    rows = {**(_entries(path) if path.exists() else {}), **found}
    content = {"version": VERSION, "accepted": sorted(rows.values(), key=_place)}
    try:
        write_text_atomically(path, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise IncompleteError(f"{path}: the baseline could not be written ({error.strerror or error})") from error
    return sorted(findings, key=lambda one: _place(found[one.fingerprint]))


def read_baseline(path: Path) -> dict[str, str]:
    """Fingerprint -> why it is accepted.

    Raises:
        CorruptFileError: not a baseline.
        IncompleteError: the file cannot be read.
    """
    return dict.fromkeys(_entries(path), REASON)


def _place(entry: dict[str, Any]) -> list[str]:
    return [str(entry.get(key, "")) for key in ("rule", "file", "place", "fingerprint")]


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    """Fingerprint -> its entry, as it stands."""
    try:
        content = json.loads(read_small_file(path).decode("utf-8-sig"))
        if type(content["version"]) is int and content["version"] != VERSION:
            raise CorruptFileError(f"{path}: a baseline of version {content['version']}, not {VERSION}; write it again")
        found = {entry["fingerprint"]: entry for entry in content["accepted"]}
        if not isinstance(content["accepted"], list) or not all(
            re.fullmatch("[0-9a-f]{16}", fingerprint) for fingerprint in found
        ):
            raise ValueError
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path}: not a baseline; delete it, and write one with --write-baseline") from error
    return found
