"""What a leaderboard folder keeps while it is built: records of audits, and the reasons of those that failed.

FOLDER/records/*.json       audit records, one a model and protocol, each written whole or not at all
FOLDER/failures/NAME.json   why a model could not be audited; gone once it could
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from shape_audit.errors import IncompleteError
from shape_audit.leaderboard.build.board_folder import FAILURES, RECORDS
from shape_audit.leaderboard.manifest import Entry
from shape_audit.leaderboard.no_garbage import no_garbage
from shape_audit.records import (
    AuditRecord,
    read_record,
    read_small_file,
    safe_file_name,
    sha256_of,
    write_text_atomically,
)

PARTIAL = "partial"


@dataclass(frozen=True)
class KeptRecords:
    """The records of a folder.

    Attributes:
        by_model: label in small letters, as the Hub tells names apart -> its records, in the order of file names.
        damaged: one line for each file that is no record, or was edited by hand; nothing of those is used.
        names: record_sha256 -> the name of its file.
    """

    by_model: Mapping[str, list[AuditRecord]]
    damaged: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, entry: Entry) -> Sequence[AuditRecord]:
        """The records of a model of the board."""
        return self.by_model.get(entry.label.casefold(), [])


def read_records(folder: Path) -> KeptRecords:
    """All records of a leaderboard folder; there may be none yet."""
    by_model: dict[str, list[AuditRecord]] = {}
    damaged, names = [], {}
    with no_garbage():
        for path in sorted((folder / RECORDS).glob("*.json")):
            try:
                record = read_record(path)
            except IncompleteError as error:
                damaged.append(f"{RECORDS}/{path.name}: {str(error).removeprefix(f'{path}: ')}")
            else:
                by_model.setdefault(record.model.label.casefold(), []).append(record)
                names[record.record_sha256] = path.name
    return KeptRecords(by_model, tuple(damaged), names)


@dataclass(frozen=True)
class Failure:
    """Why not all that was asked for could be had of a model.

    Attributes:
        revision: of the model that was tried; None where it could not even be read, or by an older version of this.
    """

    reason: str
    revision: str | None = None


def read_failures(folder: Path, asked: str) -> dict[str, Failure]:
    """Model as the manifest names it -> why it could not be audited, of failures at what is asked for."""
    found = {}
    for path in sorted((folder / FAILURES).glob("*.json")):
        with suppress(IncompleteError, ValueError, KeyError, TypeError):
            content = json.loads(read_small_file(path, limit=2**20))
            if content["asked"] == asked:
                found[str(content["model"])] = Failure(str(content["reason"]), content.get("revision"))
    return found


def keep_failure(folder: Path, model: str, failure: Failure | None, asked: str) -> None:
    """Write down why a model could not be audited, or that it could.

    Args:
        asked: hash of what was asked for: asked for something else, it may well succeed.

    Raises:
        IncompleteError: the folder cannot be written to.
    """
    path = folder / FAILURES / f"{safe_file_name(model)}-{sha256_of(model)[:8]}.json"
    if failure is None:
        path.unlink(missing_ok=True)
        return
    try:
        write_text_atomically(path, json.dumps({"model": model, "asked": asked, **asdict(failure)}) + "\n")
    except OSError as error:
        raise IncompleteError(f"{path}: could not be written ({error.strerror or error})") from error
