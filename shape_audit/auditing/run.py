"""One audit, from a name to a record.

name -> Checkpoint -> ModelShape, Placement            (light: no torch)
     -> WindowSet -> Profile -> AuditRecord -> file    (needs the extra `measure`)
"""

from __future__ import annotations

import warnings
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shape_audit.auditing.costs import costs_of
from shape_audit.auditing.environment import environment
from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.phases import Phases
from shape_audit.auditing.progress import Progress, Silent
from shape_audit.auditing.subject import Subject
from shape_audit.errors import (
    IncompleteError,
    MissingExtraError,
    NotAuditableError,
    UsageError,
    translate_errors,
)
from shape_audit.hub import Checkpoint, parse_model, read_checkpoint
from shape_audit.interaction import parse_sites
from shape_audit.interval import read_interval, shipped_interval
from shape_audit.parallel import SingleProcess, processes_of_run
from shape_audit.records import AuditRecord, ModelIdentity, ModelRef, sealed
from shape_audit.shape import ShapeReading, describe, known_models, place
from shape_audit.storage import check_record_folder, keep_record

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shape_audit.models import Machine, MemoryPlan

MEASURE_PACKAGES = ("torch", "transformers", "safetensors", "pyarrow", "scipy")


class MeasurementNotInstalledError(MissingExtraError):
    """The shape is known, but what measures gradients is not installed. `record` is the shape-only record."""

    def __init__(self, message: str, record: AuditRecord) -> None:
        super().__init__(message)
        self.record = record


class RecordNotWrittenError(IncompleteError):
    """The audit is done, but its record could not be written. `record` is that record: hours need not be lost."""

    def __init__(self, message: str, record: AuditRecord) -> None:
        super().__init__(message)
        self.record = record


def audit(
    model: str | Path | ModelRef | PreTrainedModel,
    options: AuditOptions | None = None,
    *,
    tokenizer: Any = None,
    progress: Progress | None = None,
    processes: SingleProcess | None = None,
    **changes: Any,
) -> AuditRecord:
    """Audit a model: its shape, where that stands, and how its channels interact on a calibration text.

        record = shape_audit.audit("builtin:bytes-1m", windows=32)
        record.placement.side, record.interaction.sites[0].aofe_ratio

    Args:
        model: `org/name`, `org/name@revision`, a folder, or `builtin:NAME`; or a model of transformers that is in
            memory, of which name and revision are then said to be unknown. It is left exactly as it was.
        options: all options at once; None for the defaults.
        tokenizer: of a model in memory, or the folder of one.
        progress: told what is happening; None for nobody. `Phases` where the clock was started earlier.
        processes: those that share the windows; None for those that a launcher has started.
        **changes: single options by name, see `AuditOptions`; only where `options` is not given.

    Raises:
        IncompleteError: could not be completed (network, gated, damaged files, too little text ...).
        MeasurementNotInstalledError: the extra `measure` is not installed; carries the shape-only record.
        RecordNotWrittenError: everything is measured, only the record's file failed; carries the record.
        NotAuditableError: nothing here that can be audited.
        UsageError: options that are not a valid combination.
    """
    options = AuditOptions.given(options, changes, "audit()")
    phases = progress if isinstance(progress, Phases) else Phases(progress)
    processes = processes or _processes()
    if not isinstance(model, str | Path | ModelRef):
        from shape_audit.auditing.live import audit_live

        with translate_errors(type(model).__name__):
            return _finished(audit_live(model, tokenizer, options, phases, processes), options, processes)
    if tokenizer is not None:
        raise UsageError("audit(): tokenizer goes with a model in memory; a checkpoint brings its own")
    with translate_errors(str(model)):
        ref = parse_model(model, subfolder=options.read.subfolder, variant=options.read.variant)
        return _audit(ref, options, phases, processes)


def plan_memory(
    model: str | Path | ModelRef,
    options: AuditOptions | None = None,
    *,
    progress: Progress | None = None,
    processes: SingleProcess | None = None,
    machine: Machine | None = None,
    **changes: Any,
) -> MemoryPlan:
    """What `audit` with the same arguments would take of the memory there is now; no weights are read.

        shape_audit.plan_memory("org/name", device_map="disk").fits

    Args:
        machine: where it would be measured; None for here.

    Raises:
        MissingExtraError: the extra `measure` is not installed.
        IncompleteError, NotAuditableError, UsageError: as `audit` says.
    """
    options = AuditOptions.given(options, changes, "plan_memory()")
    with translate_errors(str(model)):
        ref = parse_model(model, subfolder=options.read.subfolder, variant=options.read.variant)
        return _plan(ref, options, progress or Silent(), processes or _processes(), machine)


def _processes() -> SingleProcess:
    """The processes of this run; what is odd about them is a warning for whoever called from Python."""
    found = processes_of_run()
    if found.note:
        warnings.warn(found.note, stacklevel=4)
    return found


def _audit(ref: ModelRef, options: AuditOptions, phases: Phases, processes: SingleProcess) -> AuditRecord:
    if options.keep.records is not None:
        check_record_folder(options.keep.records)  # now rather than after the pass
    interval = read_interval(options.interval) if options.interval else shipped_interval()
    phases.begin("read", "reading config and tensor headers")
    checkpoint = read_checkpoint(ref, retries=options.read.retries)
    reading = describe(checkpoint)
    record = AuditRecord(
        notes=[*checkpoint.notes, *reading.notes],
        model=_identity(checkpoint, reading),
        shape=reading.shape,
        placement=place(reading.shape.r_dw, interval, is_dense=reading.shape.is_dense),
        shape_cost=costs_of(
            reading.shape, options.yardstick, checkpoint.ref.label if checkpoint.source == "hub" else None
        ),
        serving=reading.serving,
        calibration=None,
        loss=None,
        interaction=None,
        environment=environment(),
    )
    if reading.refusal and not reading.is_causal_lm:
        raise NotAuditableError(f"{checkpoint.repo_id}: {reading.refusal}")
    subject = None if options.shape_only else _subject(checkpoint, reading, options)  # before hours of MMLU-Pro
    phases.begin("scores", "looking for known scores")
    from shape_audit.auditing.scores import scores_of

    known, notes = scores_of(checkpoint, reading.shape.params_total, options)
    record = record.model_copy(update={"scores": known or None, "notes": [*record.notes, *notes]})
    if subject is None:
        if reading.refusal:
            note = f"only the shape can be audited: {reading.refusal}"
            record = record.model_copy(update={"notes": [*record.notes, note]})
        return _finished(record, options, SingleProcess())
    missing = _missing_package(options)
    if missing:
        raise MeasurementNotInstalledError(
            f"measuring gradients needs {missing}: pip install 'shape-audit[measure]' (the shape needs no more)",
            _finished(record, options, SingleProcess()),
        )
    from shape_audit.auditing.measurement import measure  # not into the start of a shape-only audit

    measured = measure(subject, options, phases, processes)
    return _finished(measured.added_to(record), options, processes)


def _plan(
    ref: ModelRef, options: AuditOptions, progress: Progress, processes: SingleProcess, machine: Machine | None
) -> MemoryPlan:
    if options.shape_only:
        raise UsageError("--dry-run is about a measurement, of which --shape-only does none; leave one of them out")
    progress.step("reading config and tensor headers")
    checkpoint = read_checkpoint(ref, retries=options.read.retries)
    subject = _subject(checkpoint, describe(checkpoint), options)
    missing = _missing_package(options)
    if missing:
        raise MissingExtraError(f"what a measurement would take needs {missing}: pip install 'shape-audit[measure]'")
    from shape_audit.auditing.measurement import planned_memory

    return planned_memory(subject, options, progress, processes, machine)


def _subject(checkpoint: Checkpoint, reading: ShapeReading, options: AuditOptions) -> Subject:
    """What is to be measured.

    Raises:
        NotAuditableError, IncompleteError: it cannot be.
        UsageError: sites that are not there.
    """
    if reading.refusal:
        raise NotAuditableError(f"{checkpoint.repo_id}: {reading.refusal}. --shape-only shows its shape")
    if reading.misbuilt:
        raise IncompleteError(f"{checkpoint.repo_id}: {reading.misbuilt}")
    sites = parse_sites(options.measure.sites, reading.shape.num_hidden_layers)
    return Subject(checkpoint.repo_id, reading.shape, sites, checkpoint)


def _missing_package(options: AuditOptions) -> str | None:
    packages = MEASURE_PACKAGES if options.load.device_map is None else (*MEASURE_PACKAGES, "accelerate")
    return next((package for package in packages if find_spec(package) is None), None)


def _identity(checkpoint: Checkpoint, reading: ShapeReading) -> ModelIdentity:
    known = known_models().get(checkpoint.repo_id) if checkpoint.source == "hub" else None
    return ModelIdentity(
        repo_id=checkpoint.repo_id,
        revision=checkpoint.revision,
        source=checkpoint.source,
        subfolder=checkpoint.ref.subfolder or None,
        variant=checkpoint.variant,
        architecture=reading.architecture,
        model_type=reading.model_type,
        family=known.family if known else None,
        branch=checkpoint.ref.branch,
        **asdict(checkpoint.repository.facts),
    )


def _finished(record: AuditRecord, options: AuditOptions, processes: SingleProcess) -> AuditRecord:
    """The record with its hash, written where it was asked for: of several processes, by the first."""
    record = sealed(record)
    if options.keep.records is not None and processes.is_first:
        try:
            keep_record(record, options.keep.records)
        except IncompleteError as error:
            raise RecordNotWrittenError(str(error), record) from error
    return record
