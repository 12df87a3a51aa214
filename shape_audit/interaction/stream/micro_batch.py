"""The windows that one forward pass holds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class MicroBatch:
    """Windows of one length, numbered as in the audit: what a protocol draws for a window depends on its number alone.

    Attributes:
        ids_BL: L = seq_len + 1 ids a window; the last is only a target.
        first: number of the first window.
    """

    ids_BL: Tensor
    first: int = 0

    def __len__(self) -> int:
        return len(self.ids_BL)

    @property
    def inputs_BT(self) -> Tensor:
        return self.ids_BL[:, :-1]

    @property
    def targets_BT(self) -> Tensor:
        return self.ids_BL[:, 1:]

    def halves(self) -> tuple[MicroBatch, MicroBatch]:
        """The same windows in two batches."""
        half = len(self) // 2
        return MicroBatch(self.ids_BL[:half], self.first), MicroBatch(self.ids_BL[half:], self.first + half)
