"""Auditing the models that no record answers for, one by one or several at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from shape_audit.auditing import (
    AuditOptions,
    MeasurementNotInstalledError,
    Progress,
    RecordNotWrittenError,
    Silent,
    audit,
)
from shape_audit.cluster import ClusterProgress, SilentCluster, audits
from shape_audit.errors import IncompleteError, NotAuditableError, ShapeAuditError, UsageError
from shape_audit.leaderboard.build.options import BuildOptions
from shape_audit.leaderboard.build.record_folder import Failure
from shape_audit.parallel import SingleProcess
from shape_audit.records import AuditRecord

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor


class BuildProgress(Progress, ClusterProgress, Protocol):
    """Told about the whole build too."""

    def model(self, name: str, done: int, total: int) -> None:
        """A model is at work, or, of several at a time, done; so many are done of all that need an audit."""


class SilentBuild(Silent, SilentCluster):
    """No progress shown."""

    def model(self, name: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What became of an audit.

    Attributes:
        label: what the model is called in the record that it has written; None where there is none, as the next.
        revision: of that record.
        is_on_hub: whether that is of a model on the Hub.
        failure: why not all that was asked for could be had.
    """

    label: str | None = None
    revision: str | None = None
    is_on_hub: bool = False
    failure: Failure | None = None


def audit_all(
    names: Sequence[str], options: AuditOptions, how: BuildOptions, progress: BuildProgress, processes: SingleProcess
) -> Iterator[tuple[str, Outcome]]:
    """Audit models, each to a record in the record folder of the options, and give what became of each as it is done.

    Whoever stops taking outcomes stops the audits that have not begun.

    Raises:
        MissingExtraError: the extra `measure` is not installed.
        IncompleteError: no record can be written, so that going on would be for nothing.
    """
    jobs = how.jobs
    if how.cluster.uses_ray:
        for name, found in audits(names, options, how.cluster, progress=progress):
            yield name, _outcome_on_cluster(name, found, options)
        return
    if jobs == 1:
        for done, name in enumerate(names):
            progress.model(name, done, len(names))
            yield name, outcome_of(name, options, progress, processes)
        return
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
    from multiprocessing import get_context

    pool: ThreadPoolExecutor | ProcessPoolExecutor
    if options.shape_only:
        pool = ThreadPoolExecutor(jobs)  # it waits for the network, and torch is not needed
    else:
        threads = str(max(1, (os.cpu_count() or 1) // jobs))
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), _use_threads, (threads,))
    try:
        running: Mapping[Future[Outcome], str] = {pool.submit(outcome_of, name, options): name for name in names}
        for done, future in enumerate(as_completed(running)):
            progress.model(running[future], done + 1, len(names))
            yield running[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def outcome_of(
    name: str, options: AuditOptions, progress: Progress | None = None, processes: SingleProcess | None = None
) -> Outcome:
    """Audit one model. What cannot be measured is audited for its shape, if it has one."""
    try:
        return _measured(audit(name, options, progress=progress, processes=processes))
    except (MeasurementNotInstalledError, RecordNotWrittenError):
        raise
    except (NotAuditableError, IncompleteError, UsageError) as error:
        return _failed(name, error, options)


def _outcome_on_cluster(name: str, found: AuditRecord | ShapeAuditError, options: AuditOptions) -> Outcome:
    if isinstance(found, RecordNotWrittenError):
        raise found
    return _failed(name, found, options) if isinstance(found, ShapeAuditError) else _measured(found)


def _measured(record: AuditRecord) -> Outcome:
    return Outcome(record.model.label, record.model.revision, record.model.source == "hub")


def _failed(name: str, error: ShapeAuditError, options: AuditOptions) -> Outcome:
    shape = Outcome() if options.shape_only else outcome_of(name, _shape_only(options))
    return replace(shape, failure=Failure(str(error), shape.revision))


def _shape_only(options: AuditOptions) -> AuditOptions:
    return AuditOptions.of(
        shape_only=True, posted=options.known.posted, retries=options.read.retries, records=options.keep.records,
        interval=options.interval,
    )  # fmt: skip


def _use_threads(count: str) -> None:
    """In a process of several: its share of the cores."""
    os.environ["OMP_NUM_THREADS"] = count
