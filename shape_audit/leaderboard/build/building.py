"""Manifest and folder -> board: what is missing is audited, what is there is used, and the rest is a pure function.

audit what is missing  ->  records and failures in the folder   (may be killed, started again, shared out)
assemble(...)          ->  Board                                (the same from the same files, to the byte)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shape_audit.auditing import AuditOptions, answers
from shape_audit.calibration import read_text
from shape_audit.errors import UsageError, explained
from shape_audit.hub import DEFAULT_RETRIES, is_offline, read_checkpoint
from shape_audit.parallel import rank, world_size
from shape_audit.leaderboard.build.assembling import assemble
from shape_audit.leaderboard.build.board_folder import refuse_strange_folder
from shape_audit.leaderboard.manifest import Entry, Manifest
from shape_audit.leaderboard.build.missing_audits import BuildProgress, SilentBuild, audit_all
from shape_audit.leaderboard.build.record_folder import (
    PARTIAL,
    RECORDS,
    KeptRecords,
    keep_outcome,
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
    asked = sha256_of([options.measure, manifest.measure.model_dump(mode="json")] if options.measure else [False])
    kept = read_records(folder)
    text = _text_of_now(given)
    revisions = {entry.name: _answered_at(entry, given, kept, text) for entry in needed}
    missing = [name for name, revision in revisions.items() if revision is None]
    for name, outcome in audit_all(missing, given, options.jobs, progress or SilentBuild()):
        revisions[name] = outcome.revision
        if rank() == 0:
            keep_outcome(folder, name, outcome.failure, asked)
        if outcome.failure and not options.keep_going:
            break
    if rank() != 0:
        return None
    answered = revisions.keys() - set(missing)
    failures = {name: why for name, why in read_failures(folder, asked).items() if name not in answered}
    sources = as_found(sources, revisions, failures)
    board = assemble(sources, read_records(folder) if missing else kept)
    keep_sources(sources, folder)
    keep_board(board, folder)
    return board


def _text_of_now(options: AuditOptions) -> str | None:
    """The hash of the text to measure on, where it lies here: a file may have changed under its name."""
    is_here = options.dataset.startswith("builtin:") or Path(options.dataset).expanduser().is_file()
    if options.shape_only or not is_here:
        return None
    return read_text(options.dataset, column=options.text_column).sha256


def _answered_at(entry: Entry, options: AuditOptions, kept: KeptRecords, text: str | None) -> str | None:
    """The revision of the record that has what is asked for: of the model's commit of now, or, where that cannot be
    asked, of the latest audit. None where there is no such record, or none on this text."""
    records = [
        record
        for record in kept.by_model.get(entry.model, [])
        if answers(record, options) and (text is None or _was_on(record, text))
    ]
    if not records:
        return None
    latest = max(records, key=lambda record: record.environment.date).model.revision
    if records[0].model.source == "hub" and is_offline():
        return latest
    try:
        revision = read_checkpoint(entry.name, retries=options.retries).revision
    except Exception as error:
        if explained(error, entry.name) is None:
            raise
        return latest
    return revision if any(record.model.revision == revision for record in records) else None


def _was_on(record: AuditRecord, text_sha256: str) -> bool:
    return record.calibration is not None and record.calibration.text_sha256 == text_sha256
