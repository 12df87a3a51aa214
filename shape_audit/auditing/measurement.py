"""The measured part of an audit: windows, weights, pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shape_audit.auditing.environment import environment
from shape_audit.auditing.measurement_notes import measurement_notes
from shape_audit.auditing.options import (
    DEFAULT_MAX_WINDOWS,
    DEFAULT_SEQ_LEN,
    DEFAULT_WINDOWS,
    AuditOptions,
)
from shape_audit.auditing.progress import Progress
from shape_audit.auditing.weights import compare_weights
from shape_audit.auditing.window_source import WindowSource, check_positions
from shape_audit.calibration import WindowSet, save_windows
from shape_audit.errors import NotAuditableError
from shape_audit.hub import Checkpoint, element_bits
from shape_audit.interaction import ESTIMATOR_VERSION, Site
from shape_audit.records import (
    Calibration,
    Environment,
    Interaction,
    Loss,
    ModelShape,
    WallSeconds,
    WeightInteraction,
    sha256_of,
)

if TYPE_CHECKING:
    from shape_audit.interaction import Profile, ProfilePass

FIRST_CHECKPOINT = 16
"""Windows after which a run with a tolerance first looks at its intervals; then at twice as many, and so on."""


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

    from shape_audit.interaction import ProfilePass, check_supported, load_model, protocol_of

    check_supported(checkpoint)
    source = WindowSource(checkpoint, shape, options, progress)
    protocol = protocol_of(options.protocol)
    counts = list(_checkpoints(options, source.available))
    windows = source.first(counts[0])
    size = sum(header.numel * element_bits(header.dtype) for header in checkpoint.tensors.values()) / 8e9
    progress.step(f"loading {size:.1f} GB of weights" if size >= 0.1 else "loading weights")
    loaded = load_model(
        checkpoint,
        dtype=options.dtype,
        device=options.device,
        attn_implementation=protocol.attn_implementation or options.attn_implementation,
        retries=options.retries,
    )
    progress.step("measuring gradients")
    a_pass = ProfilePass(
        loaded, shape, sites, protocol, seq_len=source.seq_len, micro_batch=options.micro_batch
    )  # fmt: skip
    profile = _extended(a_pass, windows, options, progress, checkpoint.repo_id)
    for count in counts[1:]:
        if _is_converged(profile, options.tolerance):
            break
        windows = source.first(count)
        profile = _extended(a_pass, windows, options, progress, checkpoint.repo_id)
    converged = None if options.tolerance is None else _is_converged(profile, options.tolerance)
    if options.save_windows is not None:
        save_windows(options.save_windows, windows)
    notes_on_weights: list[str] = []
    weights = None
    if options.nfa:
        weights, notes_on_weights = compare_weights(
            checkpoint, loaded, windows, progress, micro_batch=a_pass.micro_batch, retries=options.retries
        )
    interaction = Interaction(
        protocol=protocol.name,
        parameters=dict(protocol.parameters),
        dtype=loaded.dtype_name,
        attn_implementation=loaded.attn_implementation,
        protocol_hash=protocol_hash(
            protocol=protocol.name,
            parameters=protocol.parameters,
            sites=tuple(a_pass.sums),
            dtype=loaded.dtype_name,
            attn_implementation=loaded.attn_implementation,
            calibration=windows.facts,
        ),
        windows_used=len(windows.windows),
        converged=converged,
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
            *measurement_notes(windows, profile.loss, interaction, shape, tolerance=options.tolerance),
            *notes_on_weights,
        ],
        environment=environment(
            device=str(loaded.device),
            threads=torch.get_num_threads(),
            micro_batch=profile.micro_batch,
            wall_seconds=wall,
            tokens_per_second=windows.facts.tokens / profile.pass_seconds,
        ),
    )


def _checkpoints(options: AuditOptions, available: int) -> Iterator[int]:
    """Numbers of windows after which the run may end: one, or with a tolerance 16, 32, 64 ... up to the maximum."""
    if options.tolerance is None:
        yield available if options.windows_file is not None else options.windows or DEFAULT_WINDOWS
        return
    most = min(options.max_windows or DEFAULT_MAX_WINDOWS, max(available, 1))
    count = FIRST_CHECKPOINT
    while count < most:
        yield count
        count *= 2
    yield most


def _extended(
    a_pass: ProfilePass, windows: WindowSet, options: AuditOptions, progress: Progress, subject: str
) -> Profile:
    """The profile of all these windows, of which the pass has seen the first ones already."""
    done, total = len(a_pass.windows), len(windows.windows)
    progress.windows(done, total, done * windows.seq_len)
    try:
        a_pass.extend(
            windows.windows[done:], progress=lambda count: progress.windows(count, total, count * windows.seq_len)
        )
        return a_pass.profile(spectrum=options.spectrum or 0)
    except (TypeError, AttributeError, IndexError, KeyError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotAuditableError(f"{subject}: unsupported architecture: its forward fails: {reason}") from error


def _is_converged(profile: Profile, tolerance: float | None) -> bool:
    """Whether every site's AOFE-ratio is known to within the tolerance."""
    if tolerance is None:
        return False
    intervals = [site.aofe_ratio_ci for site in profile.sites if site.trace != 0]
    return all(ends is not None and (ends[1] - ends[0]) / 2 <= tolerance for ends in intervals)


def protocol_hash(
    *,
    protocol: str,
    parameters: Mapping[str, float | int | str],
    sites: tuple[Site, ...],
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
            "sites": [site.name for site in sites],
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
