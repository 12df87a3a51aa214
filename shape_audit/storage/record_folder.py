"""A record folder, wherever it is. What URLs need is not imported for a folder here."""

from __future__ import annotations

import os
from pathlib import Path

from shape_audit.errors import UsageError
from shape_audit.places import Place, Url, place_of
from shape_audit.records import AuditRecord, check_writable, read_record_folder, write_record
from shape_audit.storage.names import is_record


def check_record_folder(place: Place) -> None:
    """Say early what `keep_record` would say late, as far as that is known.

    Raises:
        IncompleteError, MissingExtraError, UsageError: nothing can be written there.
    """
    if isinstance(place, Path):
        check_writable(place)
        return
    from shape_audit.storage.opening import opened

    opened(place).check_writable()


def keep_record(record: AuditRecord, place: Place) -> None:
    """Write a record, whole or not at all.

    Raises:
        IncompleteError: it could not be written; for a URL, where it waits to be sent is said.
    """
    if isinstance(place, Path):
        write_record(record, place)
        return
    from shape_audit.storage.working_copies import working_copy

    with working_copy(place, is_record, reads=False, writes=True) as copy:
        write_record(record, copy.folder)


def records_of(place: str | os.PathLike[str] | Url) -> list[AuditRecord]:
    """The records, by file name.

    Raises:
        UsageError: there is no such folder, or nothing in that of a URL.
        CorruptFileError: as `records.read_record`.
        IncompleteError, MissingExtraError: it cannot be read.
    """
    found = place_of(place)
    if isinstance(found, Path):
        return read_record_folder(found)
    from shape_audit.storage.working_copies import working_copy

    with working_copy(found, is_record) as copy:
        records = read_record_folder(copy.folder)
    if not records:
        raise UsageError(f"--records {found}: there are no records")
    return records
