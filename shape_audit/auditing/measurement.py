"""The measured part of an audit: windows, weights, pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shape_audit.auditing.environment import environment, installed_versions
from shape_audit.auditing.measurement_notes import measurement_notes
from shape_audit.auditing.memory import audit_memory, offload_folder, refuse_processes, refuse_what_cannot_fit
from shape_audit.auditing.options import DEFAULT_MAX_WINDOWS, DEFAULT_SEQ_LEN, AuditOptions
from shape_audit.auditing.partial_results import PartialResults
from shape_audit.auditing.progress import Progress, Silent
from shape_audit.auditing.resumable_pass import checkpoints, run_pass
from shape_audit.auditing.weights import compare_weights
from shape_audit.auditing.window_source import WindowSource, check_positions
from shape_audit.calibration import save_windows
from shape_audit.hub import Checkpoint, element_bits
from shape_audit.interaction import ESTIMATOR_VERSION, Site
from shape_audit.models import MemoryPlan
from shape_audit.records import (
    Calibration,
    Environment,
    Interaction,
    Loss,
    ModelShape,
    WallSeconds,
    WeightInteraction,
    safe_file_name,
    sha256_of,
)

if TYPE_CHECKING:
    from shape_audit.models import LoadedModel
    from shape_audit.parallel import Alone


@dataclass(frozen=True)
class Measurement:
    """The parts that a measured audit adds to a record."""

    calibration: Calibration
    loss: Loss
    interaction: Interaction
    weights: list[WeightInteraction] | None
    notes: list[str]
    environment: Environment


def measure(
    checkpoint: Checkpoint,
    shape: ModelShape,
    sites: tuple[Site, ...],
    options: AuditOptions,
    progress: Progress,
) -> Measurement:
    """Measure a model.

    Raises:
        UsageError: seq_len beyond the model's positions, windows of another tokenizer.
        IncompleteError, NotAuditableError: as `audit` says.
    """
    if options.windows_file is None:
        check_positions(checkpoint.repo_id, shape, options.seq_len or DEFAULT_SEQ_LEN)
    import torch

    from shape_audit.interaction import ProfilePass, protocol_of
    from shape_audit.models import check_supported, chosen_device, load_model
    from shape_audit.parallel import join

    check_supported(checkpoint)
    refuse_processes(options)
    world = join(chosen_device(options.device))
    if world.rank > 0:
        progress = Silent()
    source = WindowSource(checkpoint, shape, options, progress)
    windows = source.first(next(checkpoints(options, source.available)))  # enough text? before weights are downloaded
    if options.save_windows is not None and options.tolerance is None and world.rank == 0:
        save_windows(options.save_windows, windows)
    protocol = protocol_of(options.protocol)
    most = max(checkpoints(options, source.available))
    settled = audit_memory(checkpoint, shape, sites, protocol, options, seq_len=source.seq_len, windows=most)
    refuse_what_cannot_fit(settled.plan)
    size = sum(header.numel * element_bits(header.dtype) for header in checkpoint.tensors.values()) / 8e9
    progress.step(f"loading {size:.1f} GB of weights" if size >= 0.1 else "loading weights")
    with offload_folder(settled.placement) as folder:
        loaded = load_model(
            checkpoint,
            dtype=options.dtype,
            device=options.device,
            attn_implementation=protocol.attn_implementation or options.attn_implementation,
            placement=settled.placement,
            offload_folder=folder,
        )
        progress.step("measuring gradients")
        hash_of_protocol = protocol_hash(
            protocol=protocol.name,
            parameters=protocol.parameters,
            sites=[site.name for site in protocol.widths(sites, shape)],
            dtype=loaded.dtype_name,
            attn_implementation=loaded.attn_implementation,
            calibration=windows.facts,
        )
        partial = _partial_results(checkpoint, loaded, hash_of_protocol, options, world)
        a_pass = ProfilePass(
            loaded,
            shape,
            sites,
            protocol,
            seq_len=source.seq_len,
            micro_batch=_micro_batch(settled.plan.micro_batch, partial, options, world),
            world=world,
        )
        finished = run_pass(a_pass, source, options, progress, checkpoint.repo_id, partial)
    windows, profile = finished.windows, finished.profile
    if options.save_windows is not None and options.tolerance is not None and world.rank == 0:
        save_windows(options.save_windows, windows)
    notes_on_weights: list[str] = []
    weights = None
    if options.nfa:
        weights, notes_on_weights = compare_weights(
            checkpoint, loaded, windows, progress, micro_batch=a_pass.micro_batch
        )
    interaction = Interaction(
        protocol=protocol.name,
        parameters=dict(protocol.parameters),
        dtype=loaded.dtype_name,
        attn_implementation=loaded.attn_implementation,
        protocol_hash=hash_of_protocol,
        windows_used=len(windows.windows),
        converged=finished.converged,
        sites=profile.sites,
    )
    wall = WallSeconds.model_validate(
        {"load": loaded.seconds, "pass": profile.pass_seconds, "reduce": profile.reduce_seconds}
    )
    return Measurement(
        calibration=windows.facts,
        loss=profile.loss,
        interaction=interaction,
        weights=weights,
        notes=[
            *finished.notes,
            *measurement_notes(windows, profile.loss, interaction, shape, tolerance=options.tolerance),
            *notes_on_weights,
        ],
        environment=environment(
            device=loaded.device_name,
            world_size=world.size,
            threads=torch.get_num_threads(),
            micro_batch=profile.micro_batch,
            wall_seconds=wall,
            tokens_per_second=windows.facts.tokens / profile.pass_seconds,
        ),
    )


def _partial_results(
    checkpoint: Checkpoint, loaded: LoadedModel, hash_of_protocol: str, options: AuditOptions, world: Alone
) -> PartialResults | None:
    """Where sums of this audit are saved on the way, and what must be equal for them to be used again."""
    if options.partial is None:
        return None
    import torch

    facts = {
        "micro-batch": options.micro_batch or "chosen by memory",
        "processes": world.size,
        "device": loaded.device_name,
        "threads": torch.get_num_threads(),
        **installed_versions(),
    }
    return PartialResults(options.partial / _partial_name(checkpoint, hash_of_protocol, options), facts)


def _micro_batch(planned: int, partial: PartialResults | None, options: AuditOptions, world: Alone) -> int:
    """What there is memory for; where it was chosen, as a killed run had it if that was no more.

    Memory that is free differs from one start to the next; with the same micro-batches a run that goes on ends in the
    same record bit for bit.
    """
    if partial is None or options.micro_batch is not None or not options.resume:
        return planned
    saved = world.from_first(partial.saved_micro_batch() if world.rank == 0 else None)
    return saved if saved is not None and saved <= planned else planned


def _partial_name(checkpoint: Checkpoint, hash_of_protocol: str, options: AuditOptions) -> str:
    """Where partial sums of this audit lie; a run with a tolerance stops where its own checkpoints are."""
    name = safe_file_name(checkpoint.repo_id)
    tolerance = f"__t{options.tolerance:g}" if options.tolerance is not None else ""
    return f"{name}__{checkpoint.revision[:12]}__{hash_of_protocol[:12]}{tolerance}"


def planned_memory(
    checkpoint: Checkpoint,
    shape: ModelShape,
    sites: tuple[Site, ...],
    options: AuditOptions,
    progress: Progress,
) -> MemoryPlan:
    """What `measure` would take. A text is not read for it; a file of windows is, for it says how long they are.

    Raises: as `measure` does, and `audit_memory`.
    """
    from shape_audit.interaction import protocol_of
    from shape_audit.models import check_supported

    check_supported(checkpoint)
    if options.windows_file is None:
        seq_len, available = options.seq_len or DEFAULT_SEQ_LEN, DEFAULT_MAX_WINDOWS
        check_positions(checkpoint.repo_id, shape, seq_len)
    else:
        source = WindowSource(checkpoint, shape, options, progress)
        seq_len, available = source.seq_len, source.available
    windows = max(checkpoints(options, available))
    protocol = protocol_of(options.protocol)
    return audit_memory(checkpoint, shape, sites, protocol, options, seq_len=seq_len, windows=windows).plan


def protocol_hash(
    *,
    protocol: str,
    parameters: Mapping[str, float | int | str],
    sites: Sequence[str],
    dtype: str,
    attn_implementation: str,
    calibration: Calibration,
) -> str:
    """sha256 over everything that makes two measurements comparable, the number of windows not among it.

    Measurements of one model with equal hashes differ in how many windows they used and on what machine, no more.
    """
    return sha256_of(
        {
            "protocol": protocol,
            "parameters": dict(parameters),
            "sites": list(sites),
            "dtype": dtype,
            "attn_implementation": attn_implementation,
            "dataset": calibration.dataset,
            "config": calibration.config,
            "dataset_revision": calibration.revision,
            "split": calibration.split,
            "column": calibration.column,
            "text_sha256": calibration.text_sha256,
            "seq_len": calibration.seq_len,
            "passage_bytes": calibration.passage_bytes,
            "seed": calibration.seed,
            "estimator_version": ESTIMATOR_VERSION,
        }
    )
