"""The windows that one forward pass holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class MicroBatch:
    """Windows of one length, numbered as in the audit: what a protocol draws for a window depends on its number alone.

    Attributes:
        ids_BL: L = seq_len + 1 ids a window; the last is only a target.
        first: number of the first window.
        member_B: of which distinct window each is a copy, see `RepeatedWindows`; None where no window is repeated.
    """

    ids_BL: Tensor
    first: int = 0
    member_B: Sequence[int] | None = None

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
        return self.part(0, half), self.part(half, len(self))

    def part(self, begin: int, end: int) -> MicroBatch:
        """Some of the windows."""
        members = None if self.member_B is None else self.member_B[begin:end]
        return MicroBatch(self.ids_BL[begin:end], self.first + begin, members)
