"""Manifest and folder -> board: what is missing is audited, what is there is used, and the rest is a pure function.

audit what is missing  ->  records and failures in the folder   (may be killed, started again, shared out)
assemble(...)          ->  Board                                (the same from the same files, to the byte)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from shape_audit.auditing import AuditOptions, Progress, Silent, answers, audit
from shape_audit.errors import IncompleteError, NotAuditableError, UsageError, explained
from shape_audit.hub import DEFAULT_RETRIES, read_checkpoint
from shape_audit.interaction import rank, world_size
from shape_audit.leaderboard.assembling import assemble
from shape_audit.leaderboard.manifest import Entry, Manifest
from shape_audit.leaderboard.record_folder import (
    PARTIAL,
    RECORDS,
    KeptRecords,
    forget_failure,
    keep_failure,
    read_records,
)
from shape_audit.leaderboard.rendering import keep_board
from shape_audit.leaderboard.sources import keep_sources, read_sources
from shape_audit.records import Board, check_writable
from shape_audit.shape import known_models


class BuildProgress(Progress, Protocol):
    """Told about the whole build too."""

    def model(self, name: str, done: int, total: int) -> None:
        """The audit of a model begins; so many are done of all that need one."""


class SilentBuild(Silent):
    """No progress shown."""

    def model(self, name: str, done: int, total: int) -> None: ...


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
    sources = read_sources(manifest)
    needed = [entry for entry in sources.entries if options.measure or entry.model not in known_models()]
    if options.shard is not None:
        share, shares = options.shard
        needed = needed[share - 1 :: shares]
    given = manifest.audit_options(
        shape_only=not options.measure, device=options.device, retries=options.retries,
        records=folder / RECORDS, partial=folder / PARTIAL,
    )  # fmt: skip
    kept = read_records(folder)
    missing = [entry.name for entry in needed if not _is_answered(entry, given, kept)]
    _audit_all(missing, given, folder, options, progress or SilentBuild())
    if rank() != 0:
        return None
    board = assemble(sources, folder)
    keep_sources(sources, folder)
    keep_board(board, folder)
    return board


def _is_answered(entry: Entry, options: AuditOptions, kept: KeptRecords) -> bool:
    """Whether a record has what is asked for, of the model's commit of now; where that cannot be asked, of any."""
    records = [record for record in kept.by_model.get(entry.model, []) if answers(record, options)]
    if not records:
        return False
    try:
        revision = read_checkpoint(entry.name, retries=options.retries).revision
    except Exception as error:
        if explained(error, entry.name) is None:
            raise
        return True
    return any(record.model.revision == revision for record in records)


def _audit_all(
    names: Sequence[str], given: AuditOptions, folder: Path, options: BuildOptions, progress: BuildProgress
) -> None:
    """Audit models, one by one or several at a time, and keep what failed with its reason."""
    if options.jobs == 1:
        for done, name in enumerate(names):
            progress.model(name, done, len(names))
            if _keep(folder, name, _reason(name, given, progress)) and not options.keep_going:
                return
        return
    pool: ThreadPoolExecutor | ProcessPoolExecutor
    if given.shape_only:
        pool = ThreadPoolExecutor(options.jobs)
    else:
        threads = str(max(1, (os.cpu_count() or 1) // options.jobs))
        pool = ProcessPoolExecutor(
            options.jobs, mp_context=get_context("spawn"), initializer=_use_threads, initargs=(threads,)
        )
    with pool:
        running: Mapping[Future[str | None], str] = {pool.submit(_reason, name, given): name for name in names}
        for done, future in enumerate(as_completed(running)):
            progress.model(running[future], done, len(names))
            if _keep(folder, running[future], future.result()) and not options.keep_going:
                pool.shutdown(wait=True, cancel_futures=True)
                return


def _use_threads(count: str) -> None:
    os.environ["OMP_NUM_THREADS"] = count


def _reason(name: str, options: AuditOptions, progress: Progress | None = None) -> str | None:
    """Why a model could not be audited; None where it could, and its record lies in the folder.

    Raises:
        IncompleteError: no record can be written, so that going on would be for nothing.
    """
    from shape_audit.auditing import MeasurementNotInstalledError, RecordNotWrittenError

    try:
        audit(name, options, progress=progress)
    except (MeasurementNotInstalledError, RecordNotWrittenError):
        raise
    except (IncompleteError, NotAuditableError, UsageError) as error:
        if isinstance(error, NotAuditableError) and not options.shape_only:
            _reason(name, _shape_only(options))  # what can be said of it is said
        return str(error)
    return None


def _shape_only(options: AuditOptions) -> AuditOptions:
    return AuditOptions(
        shape_only=True, posted=options.posted, retries=options.retries, records=options.records,
        interval=options.interval,
    )  # fmt: skip


def _keep(folder: Path, name: str, reason: str | None) -> bool:
    """Write down a failure, or that there is none any more; whether there is one."""
    if rank() == 0:
        if reason is None:
            forget_failure(folder, name)
        else:
            keep_failure(folder, name, reason)
    return reason is not None
