"""The protocols by name. One file each says what it measures and which file of the authors' code it corresponds to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.protocols.output_gradient import OutputGradient
from shape_audit.interaction.protocols.projected_output import ProjectedOutput
from shape_audit.interaction.stream.sites import Site
from shape_audit.records import ModelShape


class MeasurementProtocol(Protocol):
    """What a pass measures.

    Attributes:
        attn_implementation: the attention it needs; None for whatever transformers chooses.
        parameters: part of the protocol hash.
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
        self, model: nn.Module, blocks: list[nn.Module], ids_BL: Tensor, first: int, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """Add windows to the sums; returns their losses (B,) in nats."""


PROTOCOLS: dict[str, type[LossGradient] | type[OutputGradient] | type[ProjectedOutput]] = {
    protocol.name: protocol for protocol in (LossGradient, OutputGradient, ProjectedOutput)
}


def protocol_of(name: str) -> MeasurementProtocol:
    """A protocol by its name, with its default parameters."""
    return PROTOCOLS[name]()
