"""The measured pass: windows through the model in micro-batches, sums at every site, numbers whenever asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shape_audit.calibration import Window
from shape_audit.errors import NonFiniteError
from shape_audit.interaction.causality import check_causal
from shape_audit.interaction.error_bars import is_reference_point, mean_interval
from shape_audit.interaction.loading import LoadedModel
from shape_audit.interaction.pass_state import PassState
from shape_audit.interaction.protocols import MeasurementProtocol
from shape_audit.interaction.residual_stream import find_blocks
from shape_audit.interaction.site_report import site_interaction
from shape_audit.interaction.sites import Site
from shape_audit.interaction.sums import SiteSums
from shape_audit.interaction.world import Alone
from shape_audit.records import Loss, ModelShape, SiteInteraction

MEMORY_FOR_A_MICRO_BATCH = 2**30
"""Bytes of activations one micro-batch may take, by the rough count of `chosen_micro_batch`."""
MAX_MICRO_BATCH = 16


@dataclass(frozen=True)
class Profile:
    """What the windows so far have shown.

    Attributes:
        pass_seconds, reduce_seconds: time of the pass, and of turning sums into numbers.
    """

    loss: Loss
    sites: list[SiteInteraction]
    micro_batch: int
    pass_seconds: float
    reduce_seconds: float


class ProfilePass:
    """A pass that can go on: more windows extend it, and give what all of them at once would have given."""

    def __init__(
        self,
        loaded: LoadedModel,
        shape: ModelShape,
        sites: tuple[Site, ...],
        protocol: MeasurementProtocol,
        *,
        seq_len: int,
        micro_batch: int | None = None,
        world: Alone | None = None,
    ) -> None:
        """Prepare a pass.

        Args:
            shape: of the loaded model; gives depth and width.
            sites: where to measure.
            micro_batch: windows a forward; None chooses by memory. Sums do not depend on it but for rounding.
            world: the processes that share the windows; None for this one alone.

        Raises:
            NotAuditableError: the architecture's blocks cannot be found.
        """
        self.loaded, self.protocol, self.world = loaded, protocol, world or Alone()
        self.blocks = find_blocks(loaded.model, shape.num_hidden_layers)
        self.micro_batch = micro_batch or chosen_micro_batch(shape, seq_len)
        device = torch.device("cpu") if loaded.device.type == "mps" else loaded.device  # mps has no float64
        self.sums = {
            site: SiteSums.zeros(width, dtype=loaded.dtype, device=device)
            for site, width in protocol.widths(sites, shape).items()
        }
        self.windows: list[Window] = []
        self.losses: list[tuple[int, Tensor]] = []
        self.seconds = 0.0
        self._frozen_at = 0

    def extend(
        self,
        windows: Sequence[Window],
        progress: Callable[[int], None] = lambda windows_done: None,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """Measure more windows, the next ones in the audit's order.

        They go in rounds, of a micro-batch for each process; a round ends where S_ref is frozen.

        Args:
            progress: called with the number of windows that all processes have done so far.
            checkpoint: called, on every process, after each round that more windows would not have made longer.

        Raises:
            NonFiniteError: a loss or gradient is not finite; the message names the site.
            NotAuditableError: the model looks ahead, or does not run its blocks on the residual stream.
        """
        model, device = self.loaded.model, self.loaded.device
        started = time.perf_counter()
        if not self.windows and windows:
            check_causal(model, torch.tensor(windows[0].input_ids, device=device))
        todo = list(windows)
        while todo:
            done = len(self.windows)
            if is_reference_point(done) and done > self._frozen_at:
                for sums in self.sums.values():
                    sums.freeze(self.world.summed)
                self._frozen_at = done
            longest = min(self.micro_batch * self.world.size, _next_reference_point(done) - done)
            this_round = todo[:longest]
            begin, end = (len(this_round) * rank // self.world.size for rank in (self.world.rank, self.world.rank + 1))
            if begin < end:
                ids_BL = torch.tensor([window.input_ids for window in this_round[begin:end]], device=device)
                losses_B = self.protocol.add_micro_batch(model, self.blocks, ids_BL, done + begin, self.sums)
                self.losses.append((done + begin, losses_B.cpu().double()))
                check_finite(self.sums)
            self.windows += this_round
            del todo[: len(this_round)]
            progress(len(self.windows))
            if len(this_round) == longest:
                checkpoint()
        self.seconds += time.perf_counter() - started

    def reduced(self) -> tuple[dict[Site, SiteSums], Tensor]:
        """Sums and losses over all processes, on each of them."""
        if self.world.size == 1:
            return self.sums, _in_order(self.losses)
        whole = {}
        for site, sums in self.sums.items():
            rows = [part for part in self.world.gathered(sums.rows()) if len(part)]
            whole[site] = SiteSums(
                upper_DD=self.world.summed(sums.upper_DD),
                reference_DD=sums.reference_DD,
                reference_diagonal_D=sums.reference_diagonal_D,
                reference_tokens=sums.reference_tokens,
                kept=[rows.to(sums.upper_DD.device) for rows in rows],
            )
        losses = [part for parts in self.world.gathered(self.losses) for part in parts]
        return whole, _in_order(losses)

    def state(self) -> PassState:
        """What all processes have found so far, to be saved."""
        sums, losses_K = self.reduced()
        return PassState(len(self.windows), self._frozen_at, losses_K, sums)

    def restore(self, state: PassState, windows: Sequence[Window]) -> None:
        """Go on from a saved state; on every process the same.

        Args:
            windows: the windows of the audit, at least as many as the state has seen.
        """
        is_first = self.world.rank == 0
        for site, saved in state.sums.items():
            sums = self.sums[site]
            device = sums.upper_DD.device
            sums.reference_tokens = saved.reference_tokens
            if saved.reference_DD is not None and saved.reference_diagonal_D is not None:
                sums.reference_DD = saved.reference_DD.to(device)
                sums.reference_diagonal_D = saved.reference_diagonal_D.to(device)
            if is_first:  # the sums of the windows seen count once
                sums.merge(saved)
        self.losses = [(0, state.losses_K)] if is_first else []
        self.windows = list(windows[: state.windows])
        self._frozen_at = state.frozen_at

    def profile(self, *, spectrum: int = 0) -> Profile:
        """The numbers of all windows so far.

        Args:
            spectrum: how many of the largest eigenvalues to give at every site.
        """
        started = time.perf_counter()
        whole, losses_K = self.reduced()
        sites = [site_interaction(site.name, sums, spectrum=spectrum) for site, sums in whole.items()]
        return Profile(
            loss=_loss(losses_K, self.windows),
            sites=sites,
            micro_batch=min(self.micro_batch, len(self.windows)),
            pass_seconds=self.seconds,
            reduce_seconds=time.perf_counter() - started,
        )


def _in_order(parts: Sequence[tuple[int, Tensor]]) -> Tensor:
    """Losses of all windows, from (number of the first, losses) of each micro-batch."""
    if not parts:
        return torch.zeros(0, dtype=torch.float64)
    return torch.cat([losses for _, losses in sorted(parts, key=lambda part: part[0])])


def _next_reference_point(done: int) -> int:
    """Windows at which S_ref is frozen next: a micro-batch ends there."""
    point = done + 1
    while not is_reference_point(point):
        point += 1
    return point


def _loss(losses_K: Tensor, windows: Sequence[Window]) -> Loss:
    """Cross-entropy over all windows, per token and per byte, with their intervals."""
    tokens_K = torch.tensor([len(window.input_ids) - 1 for window in windows])
    spans = [window.byte_offsets for window in windows]
    bytes_K = torch.tensor([span[1] - span[0] if span else 0 for span in spans])
    bits_K = losses_K / math.log(2)
    knows_bytes = all(spans) and int(bytes_K.sum()) > 0
    return Loss(
        nats_per_token=float(losses_K.sum()) / int(tokens_K.sum()),
        nats_per_token_ci=mean_interval(losses_K, tokens_K),
        bits_per_byte=float(bits_K.sum()) / int(bytes_K.sum()) if knows_bytes else None,
        bits_per_byte_ci=mean_interval(bits_K, bytes_K) if knows_bytes else None,
    )


def chosen_micro_batch(shape: ModelShape, seq_len: int) -> int:
    """Windows a forward may hold at once: logits, their log-softmax and gradient, and what each block keeps.

    A rough count in float32, meant to stay on the safe side: on a CPU, too much memory is a SIGKILL.
    """
    logits = 3 * (shape.vocab_size or 0)
    feed_forward = shape.intermediate_size or 4 * shape.hidden_size
    blocks = shape.num_hidden_layers * (16 * shape.hidden_size + 6 * feed_forward)
    scores = shape.num_hidden_layers * (shape.num_attention_heads or 0) * seq_len  # where attention is not fused
    a_window = 4 * seq_len * (logits + blocks + scores)
    return max(1, min(MEMORY_FOR_A_MICRO_BATCH // a_window, MAX_MICRO_BATCH))


def check_finite(sums: dict[Site, SiteSums]) -> None:
    """One look at all sites: a gradient that is not finite, or whose square is not, makes these sums so."""
    latest = [site_sums.kept[-1] for site_sums in sums.values()]
    totals = [rows.energy_K.sum() + rows.inner_K.sum() + rows.diagonal_KD.sum() for rows in latest]
    finite = torch.isfinite(torch.stack(totals)).tolist()
    for site, is_finite in reversed(list(zip(sums, finite, strict=True))):  # the backward pass comes from the end
        if not is_finite:
            raise NonFiniteError(f"the gradient at site {site.name} is not finite; try --dtype float32 or float64")
