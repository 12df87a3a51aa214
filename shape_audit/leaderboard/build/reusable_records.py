"""Which records of a folder are what the manifest asks for, so that their models need no audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from shape_audit.auditing import AuditOptions, TextNow, satisfies
from shape_audit.calibration import dataset_revision, read_text, slot_count
from shape_audit.errors import explained
from shape_audit.hub import is_offline, read_checkpoint
from shape_audit.leaderboard.build.record_folder import KeptRecords
from shape_audit.leaderboard.manifest import Entry
from shape_audit.records import AuditRecord


def text_now(options: AuditOptions, kept: KeptRecords) -> TextNow:
    """The text to measure on as it is now: a file may have changed under its name, a dataset may have a new commit.
    One on the Hub is read only where it may have no more windows to give."""
    wanted = options.text
    is_here = wanted.dataset.startswith("builtin:") or Path(wanted.dataset).expanduser().exists()
    profiles = [record.interaction for records in kept.by_model.values() for record in records]
    if options.shape_only or not profiles:
        return TextNow()
    try:
        revision = dataset_revision(wanted, retries=options.read.retries)
        if not is_here and not any(profile and profile.converged is False for profile in profiles):
            return TextNow(revision=revision)
        text = read_text(wanted.dataset, column=wanted.text_column, split=wanted.split, retries=options.read.retries)
    except Exception as error:
        if is_here or explained(error, wanted.dataset) is None:
            raise
        return TextNow()
    available = slot_count(text, seq_len=wanted.length, passage_bytes=wanted.passage_bytes)
    return TextNow(text.sha256, revision, available)


def answering(entry: Entry, options: AuditOptions, kept: KeptRecords, now: TextNow) -> list[AuditRecord]:
    """The records that have what is requested, on this text."""
    return [record for record in kept.of(entry) if satisfies(record, options, now)]


def answers_of(
    entries: Sequence[Entry],
    options: AuditOptions,
    kept: KeptRecords,
    now: TextNow,
    revisions: Mapping[str, str | None],
) -> dict[str, str]:
    """Name in the manifest -> record_sha256 of the latest record that has what is requested, on this text, of the
    revision that the model was found at: an earlier text may have come back, whose records are not the latest."""
    found = {}
    for entry in entries:
        revision = revisions.get(entry.name)
        records = [one for one in answering(entry, options, kept, now) if revision in (None, one.model.revision)]
        if records:
            found[entry.name] = max(records, key=lambda one: (one.environment.date, one.record_sha256)).record_sha256
    return found


def latest_revision(records: Sequence[AuditRecord]) -> str | None:
    """The revision of the latest of these audits."""
    latest = max(records, key=lambda record: record.environment.date, default=None)
    return latest.model.revision if latest else None


def answered_at(entry: Entry, options: AuditOptions, kept: KeptRecords, now: TextNow) -> str | None:
    """The revision of the record that has what is asked for: of the model's commit of now, or, where that cannot be
    asked, of the latest audit. None where there is no such record, or none on this text."""
    records = answering(entry, options, kept, now)
    if not records:
        return None
    latest = latest_revision(records)
    if records[0].model.source == "hub" and is_offline():
        return latest
    try:
        revision = read_checkpoint(entry.name, retries=options.read.retries).revision
    except Exception as error:
        if explained(error, entry.name) is None:
            raise
        is_here = records[0].model.source == "folder" and Path(entry.name).expanduser().exists()
        return None if is_here else latest  # a folder that is damaged is audited, and its row says so
    return revision if any(record.model.revision == revision for record in records) else None
