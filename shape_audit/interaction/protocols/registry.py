"""The protocols by name. One file each says what it measures and which file of the authors' code it corresponds to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from shape_audit.errors import UsageError
from shape_audit.interaction.estimators.site_evidence import HeldSums
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.input_simplex import InputSimplex
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.protocols.names import PROTOCOL_NAMES
from shape_audit.interaction.protocols.output_gradient import OutputGradient
from shape_audit.interaction.protocols.projected_output import ProjectedOutput
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import Site
from shape_audit.plugins import PROTOCOLS as GROUP
from shape_audit.plugins import Plugin, plugins
from shape_audit.records import ModelShape


@runtime_checkable
class MeasurementProtocol(Protocol):
    """What a pass measures. Another package adds one by an entry point of `shape_audit.protocols`, see `plugins`.

    Attributes:
        attn_implementation: the attention it needs; None for whatever transformers chooses.
        parameters: part of the protocol hash; whatever changes the numbers belongs here, a version too.
    """

    @property
    def name(self) -> str: ...

    @property
    def attn_implementation(self) -> str | None: ...

    @property
    def parameters(self) -> Mapping[str, float | int | str]: ...

    def widths(self, sites: tuple[Site, ...], shape: ModelShape) -> dict[Site, int]:
        """Width of every site the protocol reads, in network order."""

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """Add windows to the sums; returns their losses (B,) in nats."""


@runtime_checkable
class HoldsOwnSums(Protocol):
    """A protocol whose G is too large to be held: it says what is held in its place, and adds windows to that."""

    def empty_sums(self, model: nn.Module, device: torch.device) -> HeldSums:
        """For one site, no window being in yet; products are made on `device`."""


PROTOCOLS: dict[str, Callable[[], MeasurementProtocol]] = {
    protocol.name: protocol for protocol in (LossGradient, OutputGradient, ProjectedOutput, InputSimplex)
}


def protocol_of(name: str) -> MeasurementProtocol:
    """A protocol by its name, with its default parameters.

    Raises:
        UsageError: there is none of that name.
        IncompleteError: another package's cannot be used; the line names the package.
    """
    others = {plugin.name: plugin for plugin in plugins(GROUP, taken=PROTOCOL_NAMES)}
    if name in others:
        return PluginProtocol(others[name])
    if name not in PROTOCOLS:
        raise UsageError(f"no protocol {name}; there are {', '.join((*PROTOCOLS, *others))}")
    return PROTOCOLS[name]()


class PluginProtocol:
    """A protocol of another package, which is named where it fails."""

    def __init__(self, plugin: Plugin) -> None:
        """Load it.

        Raises:
            IncompleteError: it is none, or cannot be made without arguments.
        """
        made = plugin.load()
        with plugin.blamed("cannot be made without arguments"):
            self._protocol: MeasurementProtocol = made()
        self._plugin = plugin
        if not isinstance(self._protocol, MeasurementProtocol) or self._protocol.name != plugin.name:
            raise plugin.broken("must name an interaction.MeasurementProtocol of the same name")
        parameters, attention = self._protocol.parameters, self._protocol.attn_implementation
        are_plain = isinstance(parameters, Mapping) and all(
            isinstance(v, float | int | str) for v in parameters.values()
        )
        if not are_plain or attention not in (None, "sdpa", "eager"):
            raise plugin.broken(
                "has parameters that are no numbers and texts, or an attention other than sdpa and eager"
            )
        self.name, self.parameters, self.attn_implementation = plugin.name, parameters, attention

    def widths(self, sites: tuple[Site, ...], shape: ModelShape) -> dict[Site, int]:
        """See `MeasurementProtocol`."""
        with self._plugin.blamed("cannot tell its sites"):
            widths = dict(self._protocol.widths(sites, shape))
        if not widths or not all(isinstance(s, Site) and isinstance(w, int) and w > 0 for s, w in widths.items()):
            raise self._plugin.broken("has sites that are no interaction.Site with a width")
        return widths

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """See `MeasurementProtocol`."""
        with self._plugin.blamed(f"fails on {type(model).__name__}"):
            losses_B = self._protocol.add_micro_batch(model, blocks, batch, sums)
        if not isinstance(losses_B, Tensor) or losses_B.shape != (len(batch),):
            raise self._plugin.broken("does not give one loss a window")
        return losses_B
