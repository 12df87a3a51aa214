"""The measured pass: windows through the model in micro-batches, sums at every site, numbers whenever asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from shape_audit.calibration import Window
from shape_audit.errors import NonFiniteError
from shape_audit.interaction.block_report import block_use
from shape_audit.interaction.estimators.block_rows import BlockRows
from shape_audit.interaction.estimators.error_bars import is_reference_point
from shape_audit.interaction.estimators.gradient_noise import GradientNoise
from shape_audit.interaction.estimators.site_evidence import HeldSums, SiteEvidence
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.interaction.loss_report import in_order, loss_report
from shape_audit.interaction.pass_state import PassState, SavedSums
from shape_audit.interaction.protocols.registry import HoldsOwnSums, MeasurementProtocol
from shape_audit.interaction.site_report import site_interaction
from shape_audit.interaction.stream.block_watch import watched_blocks
from shape_audit.interaction.stream.causality import check_causal
from shape_audit.interaction.stream.embedding_paths import check_embedding_paths
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.rounding_probe import gradient_noise
from shape_audit.interaction.stream.sites import OUTPUT, Site
from shape_audit.interaction.width import WidthSums, site_use
from shape_audit.models import ForwardPass, FreePages, LoadedModel, check_same_losses, find_blocks
from shape_audit.parallel import SingleProcess
from shape_audit.records import BlockUse, Loss, ModelShape, SiteInteraction, SiteUse


@dataclass(frozen=True)
class Profile:
    """What the windows so far have shown.

    Attributes:
        blocks: what each block does to the stream; None where the protocol has no backward pass.
        widths: how much of the width each site uses; None where that was not asked for.
        pass_seconds: time of the pass, without that of turning sums into numbers.
    """

    loss: Loss
    sites: list[SiteInteraction]
    blocks: list[BlockUse] | None
    widths: list[SiteUse] | None
    micro_batch: int
    pass_seconds: float


@dataclass(frozen=True)
class PassPlan:
    """What a pass is to do.

    Attributes:
        sites: where to measure.
        micro_batch: windows per forward pass; None chooses by memory. Sums do not depend on it but for rounding.
        use: whether the use of the width is measured as well.
    """

    protocol: MeasurementProtocol
    sites: tuple[Site, ...]
    seq_len: int
    micro_batch: int | None = None
    use: bool = False


class ProfilePass:
    """A pass that can go on: more windows extend it, and give what all of them at once would have given."""

    def __init__(
        self, loaded: LoadedModel, shape: ModelShape, plan: PassPlan, processes: SingleProcess | None = None
    ) -> None:
        """Prepare a pass.

        Args:
            shape: of the loaded model; gives depth and width.
            processes: those that share the windows; None for this one alone.

        Raises:
            NotAuditableError: the architecture's blocks cannot be found.
        """
        self.loaded, self.protocol, self.processes = loaded, plan.protocol, processes or SingleProcess()
        self.blocks = find_blocks(loaded.model, shape.num_hidden_layers)
        widths = plan.protocol.widths(plan.sites, shape)
        is_twice, item = OUTPUT in widths, loaded.dtype.itemsize
        forward = ForwardPass(shape, plan.seq_len, item, loaded.is_checkpointed, is_differentiated_twice=is_twice)
        self.micro_batch = plan.micro_batch or forward.sensible_micro_batch
        self.micro_batch = min(self.processes.gathered(self.micro_batch))  # rounds are the same on every process
        devices = {site: _device_of(site, loaded) for site in widths}
        self.sums = _empty_sums(plan, shape, loaded, devices)
        self.widths = {
            site: WidthSums.zeros(sums.width, devices[site])
            for site, sums in self.sums.items()
            if plan.use and site.position >= 0
        }
        self.windows: list[Window] = []
        self.losses: list[tuple[Tensor, Tensor]] = []
        self.block_rows: list[BlockRows] = []
        self.seconds = 0.0
        self._frozen_at = 0
        self._free_pages = FreePages()
        self._noise: dict[Site, GradientNoise] | None = None
        self._round = self.micro_batch * self.processes.size  # stays what it is where a micro-batch must shrink

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
            NotAuditableError: the model looks ahead, does not run its blocks on the residual stream, or computes
                something else when its activations are checkpointed.
            torch.OutOfMemoryError: the device cannot hold a single window.
        """
        model, device = self.loaded.model, self.loaded.device
        started = time.perf_counter()
        if not self.windows and windows:
            ids_L = torch.tensor(windows[0].input_ids, device=device)
            check_causal(model, ids_L)
            if Site(0) in self.sums:
                check_embedding_paths(model, self.blocks, ids_L)
        todo = list(windows)
        member_K = RepeatedWindows.of([window.input_ids for window in [*self.windows, *windows]]).member_K.tolist()
        while todo:
            done = len(self.windows)
            if is_reference_point(done) and done > self._frozen_at:
                for sums in self.sums.values():
                    sums.freeze(self.processes.summed)
                self._frozen_at = done
            longest = min(self._round, _next_reference_point(done) - done)
            this_round = todo[:longest]
            rank, size = self.processes.rank, self.processes.size
            begin, end = len(this_round) * rank // size, len(this_round) * (rank + 1) // size
            if begin < end:
                ids_BL = torch.tensor([window.input_ids for window in this_round[begin:end]], device=device)
                own = MicroBatch(ids_BL, done + begin, member_K[done + begin : done + end])
                found: list[Tensor] = []
                while sum(map(len, found)) < end - begin:  # in one piece, but where a micro-batch had to shrink
                    at = sum(map(len, found))
                    found.append(self._add(own.part(at, min(at + self.micro_batch, len(own))), self.sums))
                losses_B = torch.cat(found)
                if self.loaded.is_checkpointed and not self.windows:
                    few = self.micro_batch  # fewer than there are where these did not fit
                    check_same_losses(model, self.blocks, ids_BL[:few], losses_B[:few])
                self.losses.append((torch.arange(done + begin, done + end), losses_B.cpu().double()))
            self.windows += this_round
            del todo[: len(this_round)]
            progress(len(self.windows))
            self._free_pages.give_back()
            if len(this_round) == longest:
                checkpoint()
        self.seconds += time.perf_counter() - started

    def reduced(self) -> tuple[dict[Site, SiteEvidence], Tensor]:
        """Sums and losses over all processes, on each of them."""
        whole = {site: sums.over(self.processes) for site, sums in self.sums.items()}
        losses = [part for parts in self.processes.gathered(self.losses) for part in parts]
        return whole, in_order(losses)

    def state(self) -> PassState:
        """What this process has found so far, to be saved."""
        blocks = BlockRows.joined(self.block_rows) if self.block_rows else None
        sums = cast(Mapping[Site, SavedSums], self.sums)
        return PassState(len(self.windows), self._frozen_at, in_order(self.losses), sums, blocks, self.widths)

    def restore(self, state: PassState, windows: Sequence[Window]) -> None:
        """Go on from what this process has saved; every process from the same number of windows.

        Args:
            windows: the windows of the audit, at least as many as the state has seen.
        """
        for site, saved in state.sums.items():
            self.sums[site].restore(saved)
        self.losses = [(next(iter(state.sums.values())).index_K, state.losses_K)]
        self.block_rows = [] if state.blocks is None else [state.blocks]
        for site, saved_widths in state.widths.items():
            self.widths[site].restore(saved_widths)
        self.windows = list(windows[: state.windows])
        self._frozen_at = state.frozen_at

    def _add(self, batch: MicroBatch, sums: Mapping[Site, HeldSums]) -> Tensor:
        """Add windows to these sums, on a GPU that is too small for all of them at once in halves of halves.

        Gradients are handed over during the backward pass, so when memory ends some sites have these windows already,
        and a site has either all of them or none (`SiteSums.add`). Those that have them are left out of the halves.

        Returns:
            Losses (B,) in nats.
        """
        before = {site: len(of_site.kept) for site, of_site in sums.items()}
        try:
            widths = {site.position: of_site for site, of_site in self.widths.items()}
            with watched_blocks(self.blocks if self._has_backward else (), batch, widths) as watch:
                losses_B = self._measure(batch, sums)
            check_finite(sums)
            self.block_rows += [watch.rows()] if self._has_backward else []
            return losses_B
        except torch.OutOfMemoryError:
            left = {site: of_site for site, of_site in sums.items() if len(of_site.kept) == before[site]}
            if len(batch) == 1 or not left:
                raise
        # Outside of the handler: the error holds on to everything that its frames do.
        torch.cuda.empty_cache()
        check_finite({site: of_site for site, of_site in sums.items() if site not in left})
        self.micro_batch = min(self.micro_batch, len(batch) // 2)
        return torch.cat([self._add(half, left) for half in batch.halves()])

    def _measure(self, batch: MicroBatch, sums: Mapping[Site, object]) -> Tensor:
        """As `MeasurementProtocol.add_micro_batch`, which gets the kind of sums that it asks for."""
        asked_for = cast(Mapping[Site, SiteSums], sums)
        return self.protocol.add_micro_batch(self.loaded.model, self.blocks, batch, asked_for)

    @property
    def _has_backward(self) -> bool:
        """Whether gradients are read along the stream: not where the protocol is of the whole model."""
        return any(site.position >= 0 for site in self.sums)

    def _gradient_noise(self) -> dict[Site, GradientNoise]:
        """How well each site's gradients are known, from the first window; measured once."""
        if self._noise is None:
            model, ids_L = self.loaded.model, torch.tensor(self.windows[0].input_ids, device=self.loaded.device)
            self._noise = gradient_noise(
                model,
                self.blocks,
                ids_L,
                self.sums,
                lambda ids_1L, kept: self._measure(MicroBatch(ids_1L), kept),
            )
        return self._noise

    def profile(self, *, spectrum: int = 0) -> Profile:
        """The numbers of all windows so far.

        Args:
            spectrum: how many of the largest eigenvalues to give at every site.
        """
        whole, losses_K = self.reduced()
        repeated = RepeatedWindows.of([window.input_ids for window in self.windows])
        sites = [
            site_interaction(site.name, sums, spectrum=spectrum, repeated=repeated, noise=self._gradient_noise()[site])
            for site, sums in whole.items()
        ]
        rows = [part for parts in self.processes.gathered(self.block_rows) for part in parts]
        widths = [
            site_use(site.name, sums.merged(self.processes), spectrum=spectrum) for site, sums in self.widths.items()
        ]
        return Profile(
            loss=loss_report(losses_K, self.windows, repeated),
            sites=sites,
            blocks=block_use(BlockRows.joined(rows), repeated) if rows else None,
            widths=widths or None,
            micro_batch=min(self.micro_batch, len(self.windows)),
            pass_seconds=self.seconds,
        )


def _next_reference_point(done: int) -> int:
    """Windows at which S_ref is frozen next: a micro-batch ends there."""
    point = done + 1
    while not is_reference_point(point):
        point += 1
    return point


def _empty_sums(
    plan: PassPlan, shape: ModelShape, loaded: LoadedModel, devices: Mapping[Site, torch.device]
) -> dict[Site, HeldSums]:
    """For each site that the protocol reads: sums of its own, or else G itself."""
    if isinstance(plan.protocol, HoldsOwnSums):
        return {site: plan.protocol.empty_sums(loaded.model, device) for site, device in devices.items()}
    widths = plan.protocol.widths(plan.sites, shape)
    return {site: SiteSums.zeros(widths[site], dtype=loaded.dtype, device=at) for site, at in devices.items()}


def _device_of(site: Site, loaded: LoadedModel) -> torch.device:
    """Where a site's gradients are, so that its sums are there too; never mps, which has no float64."""
    device = loaded.device
    if loaded.placement is not None and site.position > 0:
        device = torch.device(loaded.placement.block_devices[site.position - 1])
    return torch.device("cpu") if device.type == "mps" else device


def check_finite(sums: Mapping[Site, HeldSums]) -> None:
    """One look at all sites: a gradient that is not finite, or whose square is not, makes these sums so."""
    totals = [site_sums.latest for site_sums in sums.values()]
    if not totals:
        return
    finite = torch.isfinite(torch.stack([total.to(totals[0].device) for total in totals])).tolist()
    for site, is_finite in reversed(list(zip(sums, finite, strict=True))):  # the backward pass comes from the end
        if not is_finite:
            raise NonFiniteError(f"the gradient at site {site.name} is not finite; try --dtype float32 or float64")
