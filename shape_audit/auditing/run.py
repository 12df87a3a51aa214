"""One audit, from a name to a record.

name -> Checkpoint -> ModelShape, Placement            (light: no torch)
     -> WindowSet -> Profile -> AuditRecord -> file    (needs the extra `measure`)
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from shape_audit.auditing.environment import environment
from shape_audit.auditing.measurement import measure, planned_memory
from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.progress import Progress, Silent
from shape_audit.auditing.scores import scores_of
from shape_audit.errors import (
    IncompleteError,
    MissingExtraError,
    NotAuditableError,
    UsageError,
    in_our_words,
)
from shape_audit.hub import Checkpoint, read_checkpoint
from shape_audit.interaction import Site, parse_sites
from shape_audit.interval import read_interval, shipped_interval
from shape_audit.models import MemoryPlan
from shape_audit.parallel import rank
from shape_audit.records import AuditRecord, ModelIdentity, check_writable, sealed, write_record
from shape_audit.shape import ShapeReading, describe, known_models, place

_MISBUILT = re.compile("config.json and tensors disagree: (num_hidden_layers|hidden_size|intermediate_size)")
"""What transformers would build is not what the weights are; building it could take hours and all memory."""

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
    model: str, options: AuditOptions | None = None, *, progress: Progress | None = None, **changes: Any
) -> AuditRecord:
    """Audit a model: its shape, where that stands, and how its channels interact on a calibration text.

        record = shape_audit.audit("builtin:bytes-1m", windows=32)
        record.placement.side, record.interaction.sites[0].aofe_ratio

    Args:
        model: `org/name`, `org/name@revision`, a folder, or `builtin:NAME`.
        options: all options at once; None for the defaults.
        progress: told what is happening; None for nobody.
        **changes: single options by name, see `AuditOptions`; only where `options` is not given.

    Raises:
        IncompleteError: could not be completed (network, gated, damaged files, too little text ...).
        MeasurementNotInstalledError: the extra `measure` is not installed; carries the shape-only record.
        RecordNotWrittenError: everything is measured, only the record's file failed; carries the record.
        NotAuditableError: nothing here that can be audited.
        UsageError: options that cannot be meant.
    """
    options = _options(options, changes, "audit()")
    with in_our_words(model):
        return _audit(model, options, progress or Silent())


def plan_memory(
    model: str, options: AuditOptions | None = None, *, progress: Progress | None = None, **changes: Any
) -> MemoryPlan:
    """What `audit` with the same arguments would take of the memory there is now; no weights are read.

        shape_audit.plan_memory("org/name", device_map="disk").fits

    Raises:
        MissingExtraError: the extra `measure` is not installed.
        IncompleteError, NotAuditableError, UsageError: as `audit` says.
    """
    options = _options(options, changes, "plan_memory()")
    with in_our_words(model):
        return _plan(model, options, progress or Silent())


def _options(options: AuditOptions | None, changes: dict[str, Any], function: str) -> AuditOptions:
    if options is None:
        try:
            return AuditOptions(**changes)
        except TypeError as error:
            raise UsageError(str(error).replace("AuditOptions.__init__()", function)) from error
    if changes:
        raise UsageError(f"give {function} either options or single options, not both")
    return options


def _audit(model: str, options: AuditOptions, progress: Progress) -> AuditRecord:
    if options.records is not None:
        check_writable(options.records)  # now rather than after the pass
    interval = read_interval(options.interval) if options.interval else shipped_interval()
    progress.step("reading config and tensor headers")
    checkpoint = read_checkpoint(model, subfolder=options.subfolder, variant=options.variant, retries=options.retries)
    reading = describe(checkpoint)
    record = AuditRecord(
        notes=[*checkpoint.notes, *reading.notes],
        model=_identity(checkpoint, reading),
        shape=reading.shape,
        placement=place(reading.shape.r_dw, interval, is_dense=reading.shape.is_dense),
        calibration=None,
        loss=None,
        interaction=None,
        environment=environment(),
    )
    if reading.refusal and not reading.is_causal_lm:
        raise NotAuditableError(f"{checkpoint.repo_id}: {reading.refusal}")
    sites: tuple[Site, ...] = ()
    if not options.shape_only:  # before MMLU-Pro is run, which takes hours
        _refuse_unmeasurable(checkpoint, reading)
        sites = parse_sites(options.sites, reading.shape.num_hidden_layers)
    progress.step("looking for known scores")
    known, to_mind = scores_of(model, checkpoint, reading.shape.params_total, options)
    record = record.model_copy(update={"scores": known or None, "notes": [*record.notes, *to_mind]})
    if options.shape_only:
        if reading.refusal:
            note = f"only the shape can be audited: {reading.refusal}"
            record = record.model_copy(update={"notes": [*record.notes, note]})
        return _finished(record, options)
    missing = _missing_package(options)
    if missing:
        raise MeasurementNotInstalledError(
            f"measuring gradients needs {missing}: pip install 'shape-audit[measure]' (the shape needs no more)",
            _finished(record, options),
        )
    measured = measure(checkpoint, reading.shape, sites, options, progress)
    parts = {
        "calibration": measured.calibration,
        "loss": measured.loss,
        "interaction": measured.interaction,
        "weights": measured.weights,
        "environment": measured.environment,
        "notes": [*record.notes, *measured.notes],
    }
    return _finished(record.model_copy(update=parts), options)


def _plan(model: str, options: AuditOptions, progress: Progress) -> MemoryPlan:
    if options.shape_only:
        raise UsageError("--dry-run is about a measurement, of which --shape-only does none; leave one of them out")
    progress.step("reading config and tensor headers")
    checkpoint = read_checkpoint(model, subfolder=options.subfolder, variant=options.variant, retries=options.retries)
    reading = describe(checkpoint)
    _refuse_unmeasurable(checkpoint, reading)
    sites = parse_sites(options.sites, reading.shape.num_hidden_layers)
    missing = _missing_package(options)
    if missing:
        raise MissingExtraError(f"what a measurement would take needs {missing}: pip install 'shape-audit[measure]'")
    return planned_memory(checkpoint, reading.shape, sites, options, progress)


def _refuse_unmeasurable(checkpoint: Checkpoint, reading: ShapeReading) -> None:
    if reading.refusal:
        raise NotAuditableError(f"{checkpoint.repo_id}: {reading.refusal}. --shape-only shows its shape")
    disagreement = next((note for note in reading.notes if _MISBUILT.match(note)), None)
    if disagreement:
        raise IncompleteError(f"{checkpoint.repo_id}: {disagreement}")


def _missing_package(options: AuditOptions) -> str | None:
    packages = MEASURE_PACKAGES if options.device_map is None else (*MEASURE_PACKAGES, "accelerate")
    return next((package for package in packages if find_spec(package) is None), None)


def _identity(checkpoint: Checkpoint, reading: ShapeReading) -> ModelIdentity:
    known = known_models().get(checkpoint.repo_id) if checkpoint.source == "hub" else None
    return ModelIdentity(
        repo_id=checkpoint.repo_id,
        revision=checkpoint.revision,
        source=checkpoint.source,
        subfolder=checkpoint.subfolder or None,
        variant=checkpoint.variant,
        architecture=reading.architecture,
        model_type=reading.model_type,
        family=known.family if known else None,
    )


def _finished(record: AuditRecord, options: AuditOptions) -> AuditRecord:
    """The record with its hash, written where it was asked for."""
    record = sealed(record)
    if options.records is not None and rank() == 0:
        try:
            write_record(record, options.records)
        except IncompleteError as error:
            raise RecordNotWrittenError(str(error), record) from error
    return record
