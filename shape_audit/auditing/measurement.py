"""The measured part of an audit: windows, weights, pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shape_audit.auditing.depth import model_use
from shape_audit.auditing.environment import measured_environment
from shape_audit.auditing.measurement_notes import measurement_notes
from shape_audit.auditing.memory import audit_memory, offload_folder, refuse_processes, refuse_what_cannot_fit
from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.partial_results import PartialResults, partial_results
from shape_audit.auditing.phases import Phases
from shape_audit.auditing.progress import Progress
from shape_audit.auditing.protocol_identity import profile_settings, protocol_hash
from shape_audit.auditing.resumable_pass import ResumablePass
from shape_audit.auditing.subject import Subject
from shape_audit.auditing.token_vectors import token_crowding
from shape_audit.auditing.weights import compare_weights
from shape_audit.auditing.window_source import WindowSource, check_positions
from shape_audit.calibration import WindowSet, WindowTokenizer, save_windows
from shape_audit.loader import without_hub_kernels
from shape_audit.models import MemoryPlan
from shape_audit.parallel import SingleProcess
from shape_audit.records import (
    AuditRecord,
    Calibration,
    Environment,
    Interaction,
    Loss,
    ModelShape,
    ModelUse,
    Superposition,
    WeightInteraction,
)
from shape_audit.shape import STORED_TWICE, UNTIED_WHEN_LOADED, untied_shape

if TYPE_CHECKING:
    from shape_audit.interaction import MeasurementProtocol
    from shape_audit.models import LoadedModel, Machine


@dataclass(frozen=True)
class Measurement:
    """The parts that a measured audit adds to a record.

    Attributes:
        shape: of the model that was loaded, where headers alone gave another one.
    """

    shape: ModelShape | None
    calibration: Calibration
    loss: Loss
    interaction: Interaction
    weights: list[WeightInteraction] | None
    use: ModelUse | None
    superposition: Superposition | None
    notes: list[str]
    environment: Environment

    def added_to(self, record: AuditRecord) -> AuditRecord:
        """The record of the shape with these parts in it; not sealed."""
        names = ("calibration", "loss", "interaction", "weights", "use", "superposition", "environment")
        parts = {name: getattr(self, name) for name in names}
        notes = list(record.notes)
        if self.shape is not None:
            parts["shape"] = self.shape
            notes = [UNTIED_WHEN_LOADED if note == STORED_TWICE else note for note in notes]
        return record.model_copy(update={**parts, "notes": [*notes, *self.notes]})


def measure(subject: Subject, options: AuditOptions, phases: Phases, processes: SingleProcess) -> Measurement:
    """Measure a model.

    Raises:
        UsageError: seq_len beyond the model's positions, windows of another tokenizer.
        IncompleteError, NotAuditableError: as `audit` says.
    """
    if options.text.windows_file is None:
        check_positions(subject, options.text.length)
    phases.begin("imports")
    from shape_audit.interaction import protocol_of
    from shape_audit.models import check_supported, chosen_device, imported_class, load_model, plain_torch

    check_supported(subject.stored)
    imported_class(subject.stored)
    refuse_processes(options, processes)
    device = chosen_device(options.load.device, processes)
    processes.join(device)
    if not processes.is_first:
        phases.hush()
    phases.begin("text", "reading the calibration text")
    source = WindowSource(subject, options, phases)
    windows = source.first(source.counts[0])  # enough text? before weights are downloaded
    if options.text.tolerance is None and processes.is_first:
        _save(windows, options)
    protocol = protocol_of(options.measure.protocol)
    planned = audit_memory(subject, protocol, options, (source.seq_len, source.counts[-1]), device)
    refuse_what_cannot_fit(planned.plan)
    gigabytes = subject.weight_bytes / 1e9
    phases.begin("load", f"loading {gigabytes:.1f} GB of weights" if gigabytes >= 0.1 else "loading weights")
    attention = protocol.attn_implementation or options.load.attn_implementation
    with plain_torch(device), without_hub_kernels(), offload_folder(planned.placement) as folder:
        loaded = load_model(
            subject.stored, options.load.but(attn_implementation=attention), device, planned.placement, folder
        )
        run = _Run(protocol, planned.plan.micro_batch, phases, processes)
        return _measured(subject, loaded, source, options, run)


def measure_live(
    subject: Subject,
    live: tuple[LoadedModel, WindowTokenizer],
    options: AuditOptions,
    phases: Phases,
    processes: SingleProcess,
) -> Measurement:
    """Measure a model that is in memory; nothing is kept on the way.

    Raises:
        UsageError: seq_len beyond the model's positions, windows of another tokenizer.
        IncompleteError, NotAuditableError: as `audit` says.
    """
    from shape_audit.interaction import protocol_of

    if options.text.windows_file is None:
        check_positions(subject, options.text.length)
    loaded, tokenizer = live
    processes.join(loaded.device)
    if not processes.is_first:
        phases.hush()
    phases.begin("text")
    source = WindowSource(subject, options, phases, tokenizer)
    run = _Run(protocol_of(options.measure.protocol), options.load.micro_batch, phases, processes)
    return _measured(subject, loaded, source, options.but(partial=None), run)


@dataclass(frozen=True)
class _Run:
    """What one measurement runs with.

    Attributes:
        micro_batch: as planned; None where memory was not looked at.
    """

    protocol: MeasurementProtocol
    micro_batch: int | None
    phases: Phases
    processes: SingleProcess


def _measured(
    subject: Subject, loaded: LoadedModel, source: WindowSource, options: AuditOptions, run: _Run
) -> Measurement:
    from shape_audit.interaction import PassPlan, ProfilePass

    settings = profile_settings(loaded, run.protocol)
    names = [site.name for site in run.protocol.widths(subject.sites, subject.shape)]
    hashed = protocol_hash(settings, names, source.first(source.counts[0]).facts)
    partial = partial_results(subject, loaded, options, hashed, run.processes)
    micro_batch = _micro_batch(run, partial, options)
    run.phases.begin("warm_up", "measuring gradients")
    a_pass = ProfilePass(
        loaded,
        subject.shape,
        PassPlan(
            run.protocol,
            subject.sites,
            seq_len=source.seq_len,
            micro_batch=micro_batch,
            use=options.measure.use,
        ),
        run.processes,
    )
    finished = ResumablePass(a_pass, source, options, run.phases, partial).run()
    windows, profile = finished.windows, finished.profile
    if options.text.tolerance is not None and run.processes.is_first:
        _save(windows, options)
    run.phases.begin("use")
    crowded = run.processes.from_first(token_crowding(subject, loaded) if run.processes.is_first else None)
    use, notes_on_use = model_use(profile, a_pass, windows, options.measure, run.phases)
    weights: list[WeightInteraction] | None = None
    notes_on_weights: list[str] = []
    if options.measure.nfa:
        run.phases.begin("weights")
        weights, notes_on_weights = compare_weights(
            subject.stored, loaded, windows, run.phases, micro_batch=a_pass.micro_batch
        )
    interaction = settings.model_copy(
        update={
            "protocol_hash": hashed,
            "windows_used": len(windows.windows),
            "converged": finished.converged,
            "sites": profile.sites,
        }
    )
    return Measurement(
        shape=_loaded_shape(subject, loaded),
        calibration=windows.facts,
        loss=profile.loss,
        interaction=interaction,
        weights=weights,
        use=use,
        superposition=crowded,
        notes=[
            *finished.notes,
            *measurement_notes(windows, profile.loss, interaction, subject.shape, tolerance=options.text.tolerance),
            *notes_on_use,
            *notes_on_weights,
        ],
        environment=measured_environment(loaded, profile, a_pass, run.phases),
    )


def _loaded_shape(subject: Subject, loaded: LoadedModel) -> ModelShape | None:
    if subject.checkpoint is None or not subject.shape.tie_word_embeddings or loaded.is_tied:
        return None
    return untied_shape(subject.shape, subject.checkpoint)


def _save(windows: WindowSet, options: AuditOptions) -> None:
    if options.text.save_windows is not None:
        save_windows(options.text.save_windows, windows)


def _micro_batch(run: _Run, partial: PartialResults | None, options: AuditOptions) -> int | None:
    """What there is memory for; where it was chosen, as an interrupted run had it if that was no more.

    Memory that is free differs from one start to the next; with the same micro-batches a run that is resumed ends in
    the same record bit for bit.
    """
    planned = run.micro_batch
    if partial is None or planned is None or options.load.micro_batch is not None or not options.keep.resume:
        return planned
    saved = run.processes.from_first(partial.saved_micro_batch() if run.processes.is_first else None)
    return saved if saved is not None and saved <= planned else planned


def planned_memory(
    subject: Subject,
    options: AuditOptions,
    progress: Progress,
    processes: SingleProcess,
    machine: Machine | None,
) -> MemoryPlan:
    """What `measure` would take. A text is not read for it; a file of windows is, for it says how long they are.

    Args:
        machine: where it would be measured; None for here.

    Raises: as `measure` does, and `audit_memory`.
    """
    from shape_audit.interaction import protocol_of
    from shape_audit.models import check_supported, chosen_device

    check_supported(subject.stored)
    if options.text.windows_file is None:
        check_positions(subject, options.text.length)
        size = options.text.length, options.text.most
    else:
        source = WindowSource(subject, options, progress)
        size = source.seq_len, source.counts[-1]
    where = machine or chosen_device(options.load.device, processes)
    return audit_memory(subject, protocol_of(options.measure.protocol), options, size, where).plan
