"""What is audited: a model that has been read, before anything of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from shape_audit.hub import Checkpoint
from shape_audit.interaction import Site
from shape_audit.records import ModelShape


@dataclass(frozen=True)
class Subject:
    """A checkpoint, what it comes to, and where its residual stream is to be measured."""

    checkpoint: Checkpoint
    shape: ModelShape
    sites: tuple[Site, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return self.checkpoint.repo_id

    @property
    def weight_bytes(self) -> float:
        from shape_audit.hub import element_bits

        return sum(header.numel * element_bits(header.dtype) for header in self.checkpoint.tensors.values()) / 8
