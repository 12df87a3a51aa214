"""Manifest and folder -> board: what is missing is audited, what is there is used, and the rest is a pure function.

audit what is missing  ->  records and failures in the folder   (may be killed, started again, shared out)
assemble(...)          ->  Board                                (the same from the same files, to the byte)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shape_audit.auditing import DEFAULT_SEQ_LEN, AuditOptions, answers
from shape_audit.calibration import CalibrationText, read_text, slot_count
from shape_audit.errors import ShapeAuditError, UsageError, explained
from shape_audit.hub import DEFAULT_RETRIES, is_offline, read_checkpoint
from shape_audit.parallel import rank, world_size
from shape_audit.leaderboard.build.assembling import assemble
from shape_audit.leaderboard.build.board_folder import refuse_strange_folder
from shape_audit.leaderboard.manifest import Entry, Manifest
from shape_audit.leaderboard.build.missing_audits import BuildProgress, Outcome, SilentBuild, audit_all
from shape_audit.leaderboard.build.record_folder import (
    PARTIAL,
    RECORDS,
    Failure,
    KeptRecords,
    keep_failure,
    read_failures,
    read_records,
)
from shape_audit.leaderboard.page.rendering import keep_board
from shape_audit.leaderboard.build.sources import as_found, keep_sources, read_sources
from shape_audit.records import AuditRecord, Board, check_writable, sha256_of
from shape_audit.shape import known_models


@dataclass(frozen=True)
class BuildOptions:
    """How to build.

    Attributes:
        measure: measure what the manifest says, where no record has it; else shapes are enough.
        jobs: models audited at a time, each in a process of its own where they are measured.
        shard: (I, K): audit only the I-th of K shares of the models, from 1; the board is built from all there is.
        keep_going: audit the other models where one has failed.
        device: of measurements.
        retries: how often to try again after a passing fault of the network.
    """

    measure: bool = False
    jobs: int = 1
    shard: tuple[int, int] | None = None
    keep_going: bool = True
    device: str = "auto"
    retries: int = DEFAULT_RETRIES

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UsageError(f"--jobs must be at least 1, not {self.jobs}")
        if self.jobs > 1 and world_size() > 1:
            raise UsageError("--jobs is for one process; under a launcher all processes audit one model at a time")


def parse_shard(text: str) -> tuple[int, int]:
    """`2/8`: the second of eight shares.

    Raises:
        UsageError: it is no such thing.
    """
    share, slash, shares = text.partition("/")
    if not (slash and share.isdigit() and shares.isdigit() and 1 <= int(share) <= int(shares)):
        raise UsageError(f"--shard {text}: it must be I/K with I from 1 to K, as 2/8")
    return int(share), int(shares)


def build_leaderboard(
    manifest: Manifest, folder: Path, options: BuildOptions | None = None, *, progress: BuildProgress | None = None
) -> Board | None:
    """Audit what is missing, and put the board together.

    Each record is written as it is finished, so that a build that was killed goes on where it was. A model that
    cannot be audited becomes a row with its reason. Without `measure`, a model of the shipped table that has no
    record is a row of shipped facts: no network, no torch.

    Returns:
        The board; None in all processes but the first.

    Raises:
        UsageError: a manifest that cannot be meant.
        IncompleteError: the folder cannot be written to.
        MissingExtraError: the extra `measure` or `board` is not installed.
    """
    options = options or BuildOptions()
    check_writable(folder, what="a leaderboard", option="--output")
    refuse_strange_folder(folder)
    sources = read_sources(manifest)
    needed = [entry for entry in sources.entries if options.measure or entry.model not in known_models()]
    if options.shard is not None:
        share, shares = options.shard
        needed = needed[share - 1 :: shares]
    given = manifest.audit_options(
        shape_only=not options.measure, device=options.device, retries=options.retries,
        records=folder / RECORDS, partial=folder / PARTIAL,
    )  # fmt: skip
    measuring = sha256_of([True, manifest.measure.model_dump(mode="json")])
    asked = measuring if options.measure else sha256_of([False])
    kept = read_records(folder)
    text = _text_of_now(given, kept)
    revisions = {entry.name: _answered_at(entry, given, kept, text) for entry in needed}
    missing = [name for name, revision in revisions.items() if revision is None]
    # Of a build that measured, perhaps in shares: that the shape can be found does not make them good.
    unmeasured = {} if options.measure else read_failures(folder, measuring)
    for name, outcome in audit_all(missing, given, options.jobs, progress or SilentBuild()):
        revisions[name] = outcome.revision
        if name in unmeasured and _has_changed(unmeasured[name], outcome):
            del unmeasured[name]
        if rank() == 0 and name not in unmeasured:
            keep_failure(folder, name, outcome.failure, asked)
        if outcome.failure and not options.keep_going:
            break
    if rank() != 0:
        return None
    kept = read_records(folder) if missing else kept
    answered = revisions.keys() - set(missing)
    failures = {name: why for name, why in read_failures(folder, asked).items() if name not in answered}
    if unmeasured:
        wanted = manifest.audit_options(retries=options.retries)
        failures |= _standing(unmeasured, sources.entries, revisions, wanted, kept)
    sources = as_found(sources, revisions, {name: failure.reason for name, failure in failures.items()})
    board = assemble(sources, kept)
    keep_sources(sources, folder)
    keep_board(board, folder)
    return board


def _has_changed(failure: Failure, outcome: Outcome) -> bool:
    """Whether the model that an audit has found cannot be the one that failed: it has another revision, or it is a
    folder and could not even be read then. (A model on the Hub may not have been within reach.)"""
    if outcome.revision is None:
        return False
    return not outcome.is_on_hub if failure.revision is None else failure.revision != outcome.revision


def _standing(
    failures: Mapping[str, Failure],
    entries: Sequence[Entry],
    revisions: Mapping[str, str | None],
    options: AuditOptions,
    kept: KeptRecords,
) -> dict[str, Failure]:
    """Of failures to measure, those of models that have not changed and that no record has made good since."""
    text, standing = None, {}
    with suppress(ShapeAuditError):
        text = _text_of_now(options, kept)
    for entry in entries:
        failure, revision = failures.get(entry.name), revisions.get(entry.name)
        if failure is None or (failure.revision and revision and failure.revision != revision):
            continue
        revision = revision or _latest(kept.by_model.get(entry.model, []))
        if not any(record.model.revision == revision for record in _answering(entry, options, kept, text)):
            standing[entry.name] = failure
    return standing


def _text_of_now(options: AuditOptions, kept: KeptRecords) -> CalibrationText | None:
    """The text to measure on as it is now: a file may have changed under its name. One on the Hub is of interest only
    where it may have no more windows to give. None where it cannot be told."""
    is_here = options.dataset.startswith("builtin:") or Path(options.dataset).expanduser().is_file()
    profiles = [record.interaction for records in kept.by_model.values() for record in records]
    if options.shape_only or not (is_here or any(profile and profile.converged is False for profile in profiles)):
        return None
    try:
        return read_text(options.dataset, column=options.text_column, split=options.split, retries=options.retries)
    except ShapeAuditError:
        if is_here:
            raise
        return None


def _answering(
    entry: Entry, options: AuditOptions, kept: KeptRecords, text: CalibrationText | None
) -> list[AuditRecord]:
    """The records that have what is asked for, on this text."""
    seq_len = options.seq_len or DEFAULT_SEQ_LEN
    available = slot_count(text, seq_len=seq_len, passage_bytes=options.passage_bytes) if text else None
    return [
        record
        for record in kept.by_model.get(entry.model, [])
        if answers(record, options, available=available)
        and (text is None or (record.calibration is not None and record.calibration.text_sha256 == text.sha256))
    ]


def _latest(records: Sequence[AuditRecord]) -> str | None:
    """The revision of the latest of these audits."""
    latest = max(records, key=lambda record: record.environment.date, default=None)
    return latest.model.revision if latest else None


def _answered_at(entry: Entry, options: AuditOptions, kept: KeptRecords, text: CalibrationText | None) -> str | None:
    """The revision of the record that has what is asked for: of the model's commit of now, or, where that cannot be
    asked, of the latest audit. None where there is no such record, or none on this text."""
    records = _answering(entry, options, kept, text)
    if not records:
        return None
    latest = _latest(records)
    if records[0].model.source == "hub" and is_offline():
        return latest
    try:
        revision = read_checkpoint(entry.name, retries=options.retries).revision
    except Exception as error:
        if explained(error, entry.name) is None:
            raise
        return latest
    return revision if any(record.model.revision == revision for record in records) else None
