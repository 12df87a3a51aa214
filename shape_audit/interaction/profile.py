"""The measured pass: all windows through the model in micro-batches, sums at every site, numbers at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from shape_audit.calibration import WindowSet
from shape_audit.errors import NonFiniteError
from shape_audit.interaction.loading import LoadedModel
from shape_audit.interaction.loss_gradient import add_micro_batch, check_causal
from shape_audit.interaction.residual_stream import find_blocks
from shape_audit.interaction.sites import Site
from shape_audit.interaction.statistics import site_interaction
from shape_audit.interaction.sums import SiteSums
from shape_audit.records import Loss, ModelShape, SiteInteraction

MEMORY_FOR_A_MICRO_BATCH = 2**30
"""Bytes of activations one micro-batch may take, by the rough count of `chosen_micro_batch`."""
MAX_MICRO_BATCH = 16


@dataclass(frozen=True)
class Profile:
    """What one pass measured.

    Attributes:
        pass_seconds, reduce_seconds: time of the pass, and of turning sums into numbers.
    """

    loss: Loss
    sites: list[SiteInteraction]
    micro_batch: int
    pass_seconds: float
    reduce_seconds: float


def measure_profile(
    loaded: LoadedModel,
    shape: ModelShape,
    windows: WindowSet,
    sites: tuple[Site, ...],
    *,
    micro_batch: int | None = None,
    progress: Callable[[int], None] = lambda windows_done: None,
) -> Profile:
    """Measure the interaction profile of a model on a set of windows.

    Args:
        shape: of the loaded model; gives depth and width.
        sites: where to measure.
        micro_batch: windows a forward; None chooses by memory. Sums do not depend on it but for rounding.
        progress: called with the number of windows done so far.

    Raises:
        NonFiniteError: a loss or gradient is not finite; the message names the site.
        NotAuditableError: the architecture's blocks cannot be found.
    """
    model, device = loaded.model, loaded.device
    blocks = find_blocks(model, shape.num_hidden_layers)
    batch = micro_batch or chosen_micro_batch(shape, windows.seq_len, len(windows.windows))
    sums_device = torch.device("cpu") if device.type == "mps" else device  # mps has no float64
    sums = {site: SiteSums.zeros(shape.hidden_size, dtype=loaded.dtype, device=sums_device) for site in sites}
    check_causal(model, torch.tensor(windows.windows[0].input_ids, device=device))
    total_loss = torch.zeros((), dtype=torch.float64, device=sums_device)
    started = time.perf_counter()
    for first in range(0, len(windows.windows), batch):
        rows = [window.input_ids for window in windows.windows[first : first + batch]]
        losses_B = add_micro_batch(model, blocks, torch.tensor(rows, device=device), sums)
        total_loss += losses_B.to(sums_device).sum(dtype=torch.float64)
        check_finite(sums)
        progress(first + len(rows))
    passed = time.perf_counter()
    nats = float(total_loss)
    loss = Loss(
        nats_per_token=nats / windows.facts.tokens,
        bits_per_byte=nats / math.log(2) / windows.facts.bytes if windows.facts.bytes else None,
    )
    measured = [site_interaction(site.name, sums[site]) for site in sites]
    return Profile(
        loss=loss,
        sites=measured,
        micro_batch=batch,
        pass_seconds=passed - started,
        reduce_seconds=time.perf_counter() - passed,
    )


def chosen_micro_batch(shape: ModelShape, seq_len: int, windows: int) -> int:
    """Windows a forward may hold at once: logits, their log-softmax and gradient, and what each block keeps.

    A rough count in float32, meant to stay on the safe side: on a CPU, too much memory is a SIGKILL.
    """
    logits = 3 * (shape.vocab_size or 0)
    feed_forward = shape.intermediate_size or 4 * shape.hidden_size
    blocks = shape.num_hidden_layers * (16 * shape.hidden_size + 6 * feed_forward)
    scores = shape.num_hidden_layers * (shape.num_attention_heads or 0) * seq_len  # where attention is not fused
    a_window = 4 * seq_len * (logits + blocks + scores)
    return max(1, min(MEMORY_FOR_A_MICRO_BATCH // a_window, MAX_MICRO_BATCH, windows))


def check_finite(sums: dict[Site, SiteSums]) -> None:
    """One look at all sites: a gradient that is not finite, or whose square is not, makes these sums so."""
    totals = [site_sums.scalars.sum() + site_sums.upper_DD.trace() for site_sums in sums.values()]
    finite = torch.isfinite(torch.stack(totals)).tolist()
    for site, is_finite in reversed(list(zip(sums, finite, strict=True))):  # the backward pass comes from the end
        if not is_finite:
            raise NonFiniteError(f"the gradient at site {site.name} is not finite; try --dtype float32 or float64")
