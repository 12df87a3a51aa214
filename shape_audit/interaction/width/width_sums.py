"""What `--use` keeps of one site: the stream there, the stream at length 1, and the gradients, all without position 0.

Many models park activations a hundred times as large at the first position; nobody reads a direction there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shape_audit.interaction.width.fold_sums import FoldSums
from shape_audit.parallel import SingleProcess

PARTS = ("stream", "unit", "gradients")


@dataclass(frozen=True)
class WidthSums:
    """Sums over the windows so far, of one site of the residual stream.

    Attributes:
        stream: of h.
        unit: of h / |h|, which is what a norm layer passes on but for its weight.
        gradients: of the gradient with respect to h.
    """

    stream: FoldSums
    unit: FoldSums
    gradients: FoldSums

    @classmethod
    def zeros(cls, width: int, device: torch.device) -> WidthSums:
        return cls(*(FoldSums.zeros(width, device) for _ in range(3)))

    @property
    def width(self) -> int:
        return self.stream.width

    def add_activations(self, stream_BTD: Tensor, first: int, member_B: Sequence[int] | None = None) -> None:
        """Add the stream of the windows `first`, `first` + 1 ...; see `FoldSums.add`."""
        later_BTD = stream_BTD[:, 1:]
        if later_BTD.dtype != torch.float64:
            later_BTD = later_BTD.float()
        length_BT1 = later_BTD.norm(dim=2, keepdim=True)
        self.stream.add(later_BTD, first, member_B)
        self.unit.add(later_BTD / length_BT1.clamp(min=torch.finfo(length_BT1.dtype).tiny), first, member_B)

    def add_gradients(self, grad_BTD: Tensor, first: int, member_B: Sequence[int] | None = None) -> None:
        """Add the gradients of the windows `first`, `first` + 1 ...; see `FoldSums.add`."""
        self.gradients.add(grad_BTD[:, 1:], first, member_B)

    def merged(self, processes: SingleProcess) -> WidthSums:
        """The sums of all processes, on each of them."""
        return WidthSums(*(sums.merged(processes) for sums in self._parts().values()))

    def restore(self, saved: WidthSums) -> None:
        """Go on from saved sums."""
        for own, other in zip(self._parts().values(), saved._parts().values(), strict=True):
            own.restore(other)

    def tensors(self) -> dict[str, Tensor]:
        """What there is to save, by name."""
        return {
            f"{part}/{name}": tensor for part, sums in self._parts().items() for name, tensor in sums.tensors().items()
        }

    @staticmethod
    def shapes(width: int) -> dict[str, tuple[int, ...]]:
        """Of what `tensors` gives."""
        return {f"{part}/{name}": shape for part in PARTS for name, shape in FoldSums.shapes(width).items()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> WidthSums:
        """The sums that `tensors` were made from."""
        names = FoldSums.shapes(1)
        return cls(*(FoldSums.of_tensors({name: tensors[f"{part}/{name}"] for name in names}) for part in PARTS))

    def _parts(self) -> dict[str, FoldSums]:
        return {part: getattr(self, part) for part in PARTS}
