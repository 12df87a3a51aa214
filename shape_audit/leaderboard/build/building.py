"""Manifest and folder -> board: what is missing is audited, what is there is used, and the rest is a pure function.

audit what is missing  ->  records and failures in the folder   (may be killed, started again, shared out)
assemble(...)          ->  Board                                (the same from the same files, to the byte)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from shape_audit.auditing import AuditOptions, TextNow, satisfies
from shape_audit.errors import ShapeAuditError, UsageError
from shape_audit.leaderboard.build.assembling import assemble
from shape_audit.leaderboard.build.board_folder import RECORDS, is_failure_path, is_kept_path, refuse_strange_folder
from shape_audit.leaderboard.build.missing_audits import BuildProgress, Outcome, SilentBuild, audit_all
from shape_audit.leaderboard.build.options import BuildOptions
from shape_audit.leaderboard.build.record_folder import (
    PARTIAL,
    Failure,
    KeptRecords,
    keep_failure,
    read_failures,
    read_records,
)
from shape_audit.leaderboard.build.reusable_records import (
    answered_at,
    answering,
    answers_of,
    latest_revision,
    text_now,
)
from shape_audit.leaderboard.build.sources import (
    as_found,
    keep_sources,
    kept_sources,
    labels_before,
    posted_now,
    read_sources,
    with_runs_of_equal_files,
)
from shape_audit.leaderboard.manifest import Entry, Manifest
from shape_audit.leaderboard.no_garbage import no_garbage
from shape_audit.leaderboard.page.rendering import keep_board
from shape_audit.parallel import SingleProcess, processes_of_run
from shape_audit.places import Url
from shape_audit.records import Board, check_writable, sha256_of
from shape_audit.shape import known_models
from shape_audit.storage import WorkingCopy, working_copy


def build_leaderboard(
    manifest: Manifest,
    folder: str | Path | Url,
    options: BuildOptions | None = None,
    *,
    progress: BuildProgress | None = None,
    processes: SingleProcess | None = None,
    **changes: Any,
) -> Board | None:
    """Audit what is missing, and put the board together.

    Each record is written as it is finished, so that a build that was killed goes on where it was. A model that
    cannot be audited becomes a row with its reason. Without `measure`, a model of the shipped table that has no
    record is a row of shipped facts: no network, no torch.

    Args:
        folder: a folder here, or the URL of one elsewhere: then what is there is fetched first, records are sent as
            they are finished (to the Hub at most one commit each half minute), and partial sums stay on this machine.
        options: all options at once; None for the defaults.
        progress: told what is happening; None for nobody.
        processes: those that share the windows of each model; None for those that a launcher has started.
        **changes: single options by name, see `BuildOptions`; only where `options` is not given.

    Returns:
        The board; None in all processes but the first.

    Raises:
        UsageError: a manifest or options that are not a valid combination.
        IncompleteError: the folder cannot be written to.
        MissingExtraError: the extra `measure` or `board` is not installed.
    """
    options = BuildOptions.given(options, changes, "build_leaderboard()")
    processes = processes or processes_of_run()
    if options.jobs > 1 and processes.size > 1:
        raise UsageError("--jobs is for one process; under a launcher all processes audit one model at a time")
    if options.cluster.uses_ray and processes.size > 1:
        raise UsageError("--engine ray is for one process, which hands work to the cluster; leave out the launcher")
    with working_copy(folder, is_kept_path, writes=processes.is_first, removable=is_failure_path) as copy:
        return _built(manifest, copy, options, progress or SilentBuild(), processes)


def _built(
    manifest: Manifest, copy: WorkingCopy, options: BuildOptions, progress: BuildProgress, processes: SingleProcess
) -> Board | None:
    folder = copy.folder
    check_writable(folder, what="a leaderboard", option="--output")
    refuse_strange_folder(folder)
    sources = read_sources(manifest, strict=options.strict)
    labels = labels_before(folder)
    sources = sources.model_copy(
        update={"entries": [entry.model_copy(update={"found": labels.get(entry.name)}) for entry in sources.entries]}
    )
    needed = [entry for entry in sources.entries if options.measure or entry.model not in known_models()]
    share, shares = options.share
    needed = needed[share - 1 :: shares]
    given = manifest.audit_options(
        shape_only=not options.measure, device=options.device, retries=options.retries,
        records=folder / RECORDS, partial=folder / PARTIAL,
    )  # fmt: skip
    measuring = sha256_of([True, manifest.measure.model_dump(mode="json")])
    asked = measuring if options.measure else sha256_of([False])
    kept = read_records(folder)
    now = text_now(given, kept)
    revisions = {entry.name: answered_at(entry, given, kept, now) for entry in needed}
    missing = [name for name, revision in revisions.items() if revision is None]
    # Of a build that measured, perhaps in shares: that the shape can be found does not make them good.
    unmeasured = {} if options.measure else read_failures(folder, measuring)
    for name, outcome in audit_all(missing, given, options, progress, processes):
        revisions[name] = outcome.revision
        if outcome.label:
            labels[name] = outcome.label
        if name in unmeasured and _has_changed(unmeasured[name], outcome):
            del unmeasured[name]
        if processes.is_first and name not in unmeasured:
            keep_failure(folder, name, outcome.failure, asked)
        if processes.is_first:
            copy.send_if_due()
        if outcome.failure and not options.keep_going:
            break
    if not processes.is_first:
        return None
    kept = read_records(folder) if missing else kept
    answered = revisions.keys() - set(missing)
    labels |= {entry.name: kept.of(entry)[0].model.label for entry in needed if entry.name in answered}
    failures = {name: why for name, why in read_failures(folder, asked).items() if name not in answered}
    if unmeasured:
        wanted = manifest.audit_options(retries=options.retries)
        failures |= _standing(unmeasured, sources.entries, revisions, wanted, kept)
    if options.measure:
        answers = answers_of(needed, given, kept, now, revisions)
    else:
        answers = _answers_of_before(folder, manifest.audit_options(), kept)
    known_before = [entry for entry in needed if entry.name in answered] if manifest.scores.posted else []
    posted = posted_now(known_before, options.retries)
    reasons = {name: failure.reason for name, failure in failures.items()}
    labels = labels_before(folder) | labels  # of shares that have ended meanwhile
    sources = as_found(sources, labels, revisions, reasons, answers, posted)
    sources = with_runs_of_equal_files(sources, options.retries)
    with no_garbage():
        board = assemble(sources, kept)
        keep_sources(sources, folder)
        keep_board(board, folder)
    return board


def _answers_of_before(folder: Path, wanted: AuditOptions, kept: KeptRecords) -> dict[str, str]:
    """The records that answered when this folder's models were last measured, where they still have what is asked."""
    found = {}
    with suppress(ShapeAuditError):  # there may be no board yet
        for entry in kept_sources(folder).entries:
            for record in kept.of(entry):
                if record.record_sha256 == entry.answer and satisfies(record, wanted):
                    found[entry.name] = record.record_sha256
    return found


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
    now, standing = TextNow(), {}
    with suppress(ShapeAuditError):
        now = text_now(options, kept)
    for entry in entries:
        failure, revision = failures.get(entry.name), revisions.get(entry.name)
        if failure is None or (failure.revision and revision and failure.revision != revision):
            continue
        revision = revision or latest_revision(kept.of(entry))
        if not any(record.model.revision == revision for record in answering(entry, options, kept, now)):
            standing[entry.name] = failure
    return standing
