"""A baseline: today's findings, accepted, so that only new ones count."""

from __future__ import annotations

import json
import re
from pathlib import Path

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.records import CheckReport, Finding, read_small_file, write_text_atomically

VERSION = 1
REASON = "in the baseline"


def write_baseline(report: CheckReport, path: Path) -> list[Finding]:
    """Write the fingerprints of a report's findings, those accepted by an earlier baseline too; returns all of them.

    Raises:
        IncompleteError: the file cannot be written.
    """
    old = [accepted.finding for accepted in report.accepted if accepted.reason == REASON]
    findings = sorted([*report.findings, *old], key=lambda finding: (finding.rule, finding.file, finding.place))
    rows = [{key: getattr(one, key) for key in ("fingerprint", "rule", "file", "place")} for one in findings]
    try:
        write_text_atomically(path, json.dumps({"version": VERSION, "accepted": rows}, indent=1) + "\n")
    except OSError as error:
        raise IncompleteError(f"{path}: the baseline could not be written ({error.strerror or error})") from error
    return findings


def read_baseline(path: Path) -> dict[str, str]:
    """Fingerprint -> why it is accepted.

    Raises:
        CorruptFileError: not a baseline.
        IncompleteError: the file cannot be read.
    """
    try:
        content = json.loads(read_small_file(path).decode("utf-8"))
        if type(content["version"]) is int and content["version"] != VERSION:
            raise CorruptFileError(f"{path}: a baseline of version {content['version']}, not {VERSION}; write it again")
        found = [entry["fingerprint"] for entry in content["accepted"]]
        if not isinstance(content["accepted"], list) or not all(
            re.fullmatch("[0-9a-f]{16}", fingerprint) for fingerprint in found
        ):
            raise ValueError
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path}: not a baseline; write one with --write-baseline") from error
    return dict.fromkeys(found, REASON)
