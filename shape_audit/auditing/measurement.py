"""The measured part of an audit: windows, weights, pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shape_audit.auditing.environment import environment
from shape_audit.auditing.options import DEFAULT_SEQ_LEN, DEFAULT_WINDOWS, AuditOptions
from shape_audit.auditing.progress import Progress
from shape_audit.calibration import (
    CalibrationText,
    WindowSet,
    cut_windows,
    load_tokenizer,
    read_text,
    replay_windows,
    save_windows,
)
from shape_audit.errors import IncompleteError, NotAuditableError, UsageError
from shape_audit.hub import Checkpoint, element_bits, tokenizer_folder
from shape_audit.interaction import ESTIMATOR_VERSION, PROTOCOL, Site
from shape_audit.records import (
    Calibration,
    Environment,
    Interaction,
    Loss,
    ModelShape,
    WallSeconds,
    sha256_of,
)

if TYPE_CHECKING:
    from shape_audit.interaction import Profile

UNFAMILIAR_BITS_PER_BYTE = 4.0
"""Knowing no more than how frequent each byte is gives 4 to 5 bits per byte of English text or source code."""


@dataclass(frozen=True)
class Measurement:
    """The parts that a measured audit adds to a record."""

    calibration: Calibration
    loss: Loss
    interaction: Interaction
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
        _check_positions(checkpoint, shape, options.seq_len or DEFAULT_SEQ_LEN)
    import torch

    from shape_audit.interaction import check_supported, load_model, measure_profile

    check_supported(checkpoint)
    if shape.num_hidden_layers > len(checkpoint.tensors):  # building so many blocks only to miss them could take hours
        raise IncompleteError(
            f"{checkpoint.repo_id}: config.json promises {shape.num_hidden_layers:,} layers, "
            f"but there are only {len(checkpoint.tensors):,} tensors"
        )
    windows = _windows(checkpoint, shape, options, progress)
    size = sum(header.numel * element_bits(header.dtype) for header in checkpoint.tensors.values()) / 8e9
    progress.step(f"loading {size:.1f} GB of weights" if size >= 0.1 else "loading weights")
    loaded = load_model(checkpoint, dtype=options.dtype, device=options.device, retries=options.retries)
    total = len(windows.windows)
    progress.step("measuring gradients")
    progress.windows(0, total, 0)
    try:
        profile = measure_profile(
            loaded,
            shape,
            windows,
            sites,
            micro_batch=options.micro_batch,
            progress=lambda done: progress.windows(done, total, done * windows.seq_len),
        )
    except (TypeError, AttributeError, IndexError, KeyError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotAuditableError(
            f"{checkpoint.repo_id}: unsupported architecture: its forward fails: {reason}"
        ) from error
    interaction = Interaction(
        protocol=PROTOCOL,
        parameters={},
        dtype=loaded.dtype_name,
        attn_implementation=loaded.attn_implementation,
        protocol_hash=protocol_hash(
            sites=sites,
            dtype=loaded.dtype_name,
            attn_implementation=loaded.attn_implementation,
            calibration=windows.facts,
        ),
        windows_used=total,
        converged=None,
        sites=profile.sites,
    )
    wall = WallSeconds.model_validate(
        {"load": loaded.seconds, "pass": profile.pass_seconds, "reduce": profile.reduce_seconds}
    )
    return Measurement(
        calibration=windows.facts,
        loss=profile.loss,
        interaction=interaction,
        notes=_notes(windows, profile, shape),
        environment=environment(
            device=str(loaded.device),
            threads=torch.get_num_threads(),
            micro_batch=profile.micro_batch,
            wall_seconds=wall,
            tokens_per_second=windows.facts.tokens / profile.pass_seconds,
        ),
    )


def protocol_hash(*, sites: tuple[Site, ...], dtype: str, attn_implementation: str, calibration: Calibration) -> str:
    """sha256 over everything that makes two measurements comparable, the number of windows not among it.

    Measurements of one model with equal hashes differ in how many windows they used and on what machine, no more.
    """
    return sha256_of(
        {
            "protocol": PROTOCOL,
            "parameters": {},
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


def _windows(checkpoint: Checkpoint, shape: ModelShape, options: AuditOptions, progress: Progress) -> WindowSet:
    """The windows of this audit, cut from a text or replayed from a file, and saved where asked for."""
    text = None if options.windows_file else _text(options)
    progress.step("reading the tokenizer")
    tokenizer = load_tokenizer(tokenizer_folder(checkpoint, retries=options.retries), checkpoint.repo_id)
    progress.step("cutting windows")
    if text is None:
        assert options.windows_file is not None
        windows = replay_windows(options.windows_file, tokenizer, vocab_size=shape.vocab_size)
        if options.seq_len not in (None, windows.seq_len):
            raise UsageError(f"{options.windows_file}: its windows have {windows.seq_len} inputs; leave out --seq-len")
        _check_positions(checkpoint, shape, windows.seq_len)
    else:
        windows = cut_windows(
            text,
            tokenizer,
            windows=options.windows or DEFAULT_WINDOWS,
            seq_len=options.seq_len or DEFAULT_SEQ_LEN,
            passage_bytes=options.passage_bytes,
            seed=options.seed,
        )
    if options.save_windows is not None:
        save_windows(options.save_windows, windows)
    _check_vocabulary(checkpoint, shape, windows)
    return windows


def _text(options: AuditOptions) -> CalibrationText:
    return read_text(options.dataset, column=options.text_column, split=options.split, retries=options.retries)


def _check_positions(checkpoint: Checkpoint, shape: ModelShape, seq_len: int) -> None:
    positions = shape.max_position_embeddings
    if positions is not None and seq_len > positions:
        raise UsageError(f"{checkpoint.repo_id}: --seq-len {seq_len} is beyond the model's {positions} positions")


def _check_vocabulary(checkpoint: Checkpoint, shape: ModelShape, windows: WindowSet) -> None:
    largest = max(max(window.input_ids) for window in windows.windows)
    if shape.vocab_size is not None and largest >= shape.vocab_size:
        raise IncompleteError(
            f"{checkpoint.repo_id}: its tokenizer gives id {largest}, its vocabulary has {shape.vocab_size}: "
            "they do not belong together"
        )


def _notes(windows: WindowSet, profile: Profile, shape: ModelShape) -> list[str]:
    notes, sites = [], profile.sites
    if windows.facts.bytes is None:
        notes.append("the tokenizer gives no offsets: bits per byte are not known")
    if len(windows.windows) == 1:
        notes.append("one window: no unbiased estimate exists, plug-in values only; use at least 2, better 32")
    if profile.loss.bits_per_byte is not None and profile.loss.bits_per_byte > UNFAMILIAR_BITS_PER_BYTE:
        notes.append(
            f"{profile.loss.bits_per_byte:.1f} bits per byte: the model hardly knows this kind of text; "
            "choose one that it was trained on with --dataset"
        )
    guess = math.log(shape.vocab_size) if shape.vocab_size else math.inf
    if profile.loss.nats_per_token > guess:
        notes.append(f"the loss is above ln(vocabulary) = {guess:.2f} nats: blind guessing would do better")
    noisy = [site.name for site in sites if site.below_noise_floor]
    if noisy:
        notes.append(
            f"† below the noise floor at {', '.join(noisy)}: these numbers are noise, shown as they are; "
            "use more windows"
        )
    silent = [site.name for site in sites if site.trace == 0]
    if silent:
        notes.append(f"no gradient reaches {', '.join(silent)}: there is no ratio to give")
    return notes
