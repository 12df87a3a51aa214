"""What is audited: a model that has been read, before anything of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from shape_audit.hub import Checkpoint, element_bits
from shape_audit.interaction import Site
from shape_audit.records import ModelShape


@dataclass(frozen=True)
class Subject:
    """A model's shape, and where its residual stream is to be measured.

    Attributes:
        name: for messages.
        checkpoint: where it is read from; None of a model that is in memory.
    """

    name: str
    shape: ModelShape
    sites: tuple[Site, ...]
    checkpoint: Checkpoint | None = None

    @property
    def stored(self) -> Checkpoint:
        """The checkpoint of a model that has one."""
        assert self.checkpoint is not None
        return self.checkpoint

    @property
    def weight_bytes(self) -> float:
        return sum(header.numel * element_bits(header.dtype) for header in self.stored.tensors.values()) / 8
