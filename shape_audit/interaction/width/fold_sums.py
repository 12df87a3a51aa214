"""Second moments of vectors, apart for each of eight folds of the windows.

Legend: B windows of a micro-batch, T tokens, D width, J folds, P packed entries of an upper triangle.

A product of the second moments of different folds is unbiased, and the spread over folds says how well it is known:
windows are independent, tokens of one window are not. Window s is in fold s mod 8 whatever the batches and processes,
counted without repetitions: copies of a window are in its fold, or products of folds would be of a window with itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from shape_audit.interaction.estimators.sums import scaled
from shape_audit.interaction.estimators.upper_triangle import diagonal, packed_size, tiles, unpacked
from shape_audit.parallel import SingleProcess

FOLDS = 8


@dataclass
class FoldSums:
    """Sums over the vectors x of the windows added so far.

    Attributes:
        width: D.
        moments_JP: sum of x x^T, see `upper_triangle`; float64.
        totals_JD: sum of x.
        count_J: how many there are.
    """

    width: int
    moments_JP: Tensor
    totals_JD: Tensor
    count_J: Tensor
    _batches: set[int] = field(default_factory=set)

    @classmethod
    def zeros(cls, width: int, device: torch.device) -> FoldSums:
        moments_JP = torch.zeros(FOLDS, packed_size(width), dtype=torch.float64, device=device)
        return cls(width, moments_JP, moments_JP.new_zeros(FOLDS, width), moments_JP.new_zeros(FOLDS))

    def add(self, vectors_BTD: Tensor, first: int, member_B: Sequence[int] | None = None) -> None:
        """Add the windows `first`, `first` + 1 ...: all of them or none, and none for the second time.

        Products are float32 for a float32 or smaller dtype, of vectors scaled by a power of two. Where memory ends,
        nothing has been added yet, and the halves of a batch that was added are not added again.

        Args:
            member_B: see `MicroBatch`.
        """
        if first in self._batches or not vectors_BTD.numel():
            return
        exact = torch.float64 if vectors_BTD.dtype == torch.float64 else torch.float32
        batch, tokens, width = vectors_BTD.shape
        vectors_BTD = vectors_BTD.to(self.moments_JP.device, exact)
        flat_1ND, factor_1 = scaled(vectors_BTD.reshape(1, -1, width))
        scaled_BTD, factor = flat_1ND.view(vectors_BTD.shape), float(factor_1)
        product = scaled_BTD.new_empty(min(FOLDS, batch) * max(tile.size for tile in tiles(width)))
        fold_B = [number % FOLDS for number in (range(first, first + batch) if member_B is None else member_B)]
        begin = 0
        while begin < batch:  # windows whose folds follow each other, up to the last fold
            fold, count = fold_B[begin], 1
            while begin + count < batch and fold_B[begin + count] == fold + count:
                count += 1
            part_CTD, folds = scaled_BTD[begin : begin + count], slice(fold, fold + count)
            for tile in tiles(width):
                product_CRC = product[: count * tile.size].view(count, *tile.shape)
                torch.bmm(part_CTD[:, :, tile.rows].mT, part_CTD[:, :, tile.columns], out=product_CRC)
                self.moments_JP[folds, tile.packed].add_(product_CRC.flatten(1), alpha=factor)
            self.totals_JD[folds] += part_CTD.sum(1, dtype=torch.float64) * factor**0.5
            self.count_J[folds] += tokens
            begin += count
        self._batches.update(range(first, first + batch))

    def merged(self, processes: SingleProcess) -> FoldSums:
        """The sums of all processes, on each of them."""
        if processes.size == 1:
            return self
        return FoldSums.of_tensors({name: processes.summed(tensor) for name, tensor in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """What there is to save, by name."""
        return {"moments": self.moments_JP, "totals": self.totals_JD, "count": self.count_J}

    @staticmethod
    def shapes(width: int) -> dict[str, tuple[int, ...]]:
        """Of what `tensors` gives."""
        return {"moments": (FOLDS, packed_size(width)), "totals": (FOLDS, width), "count": (FOLDS,)}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> FoldSums:
        """The sums that `tensors` were made from."""
        totals_JD = tensors["totals"]
        return cls(totals_JD.shape[1], tensors["moments"], totals_JD, tensors["count"])

    def restore(self, saved: FoldSums) -> None:
        """Go on from saved sums; windows that are in them must not be added again."""
        for own, other in zip(self.tensors().values(), saved.tensors().values(), strict=True):
            own.copy_(other)

    def of_filled(self) -> FoldMoments:
        """Per vector, of the folds that have any."""
        filled = self.count_J > 0
        count_J1 = self.count_J[filled].unsqueeze(1)
        return FoldMoments(self.width, self.moments_JP[filled] / count_J1, self.totals_JD[filled] / count_J1)


@dataclass(frozen=True)
class FoldMoments:
    """Of each fold that has vectors, the mean of x x^T and of x.

    Attributes:
        packed_JP, mean_JD: float64.
    """

    width: int
    packed_JP: Tensor
    mean_JD: Tensor

    def __len__(self) -> int:
        return len(self.packed_JP)

    def matrix_DD(self, folds: list[int] | None = None) -> Tensor:
        """The mean over some folds, whole."""
        packed_JP = self.packed_JP if folds is None else self.packed_JP[folds]
        return unpacked(packed_JP.mean(0), self.width)

    def traces_J(self) -> Tensor:
        """tr C_i of every fold."""
        return torch.stack([diagonal(packed_P, self.width).sum() for packed_P in self.packed_JP])

    def products_with_matrix(self, matrix_DD: Tensor) -> Tensor:
        """<C_i, M> of every fold with a symmetric matrix (J,)."""
        parts = [
            tile.weight * (self.packed_JP[:, tile.packed] @ matrix_DD[tile.rows, tile.columns].reshape(-1))
            for tile in tiles(self.width)
        ]
        return torch.stack(parts).sum(0)

    def moved(self, by_D: Tensor) -> FoldMoments:
        """Those of x + by."""
        mean_JD, packed_JP = self.mean_JD + by_D, self.packed_JP.clone()
        for tile in tiles(self.width):  # (m + by)(m + by)^T - m m^T is what is added
            new_JRC = mean_JD[:, tile.rows, None] * mean_JD[:, None, tile.columns]
            old_JRC = self.mean_JD[:, tile.rows, None] * self.mean_JD[:, None, tile.columns]
            packed_JP[:, tile.packed] += (new_JRC - old_JRC).flatten(1)
        return FoldMoments(self.width, packed_JP, mean_JD)

    def products_with(self, other: FoldMoments) -> Tensor:
        """<C_i, C'_j> of every fold with every other's (J, J)."""
        parts = [
            tile.weight * (self.packed_JP[:, tile.packed] @ other.packed_JP[:, tile.packed].T)
            for tile in tiles(self.width)
        ]
        return torch.stack(parts).sum(0)
