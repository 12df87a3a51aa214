"""The upper triangle of a symmetric matrix in one vector, tile by tile: half of the memory, and of the products.

Rows come in strips of `ROWS`. Of each strip the square on the diagonal is kept whole, its two triangles being equal,
and then all that lies to the right of it, which counts twice in any sum over the matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

ROWS = 256


@dataclass(frozen=True)
class Tile:
    """A rectangle of the matrix.

    Attributes:
        rows, columns: of the matrix.
        packed: its entries in the vector, row by row.
        weight: how often each of them counts in a sum over the matrix.
    """

    rows: slice
    columns: slice
    packed: slice
    weight: int

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.rows.stop - self.rows.start), int(self.columns.stop - self.columns.start)

    @property
    def size(self) -> int:
        return int(self.packed.stop - self.packed.start)

    @property
    def is_on_diagonal(self) -> bool:
        return self.weight == 1


@cache
def tiles(width: int) -> tuple[Tile, ...]:
    """All tiles of a matrix of `width` rows and columns."""
    return tuple(_tiles(width))


def _tiles(width: int) -> Iterator[Tile]:
    at = 0
    for begin in range(0, width, ROWS):
        end = min(begin + ROWS, width)
        for columns, weight in ((slice(begin, end), 1), (slice(end, width), 2)):
            size = (end - begin) * (columns.stop - columns.start)
            if size:
                yield Tile(slice(begin, end), columns, slice(at, at + size), weight)
            at += size


def packed_size(width: int) -> int:
    """Entries of the vector."""
    return int(tiles(width)[-1].packed.stop)


def unpacked(packed_P: Tensor, width: int) -> Tensor:
    """The whole matrix (D, D)."""
    matrix_DD = packed_P.new_empty(width, width)
    for tile in tiles(width):
        part = packed_P[tile.packed].view(tile.shape)
        matrix_DD[tile.rows, tile.columns] = part
        if not tile.is_on_diagonal:
            matrix_DD[tile.columns, tile.rows] = part.T
    return matrix_DD


def diagonal(packed_P: Tensor, width: int) -> Tensor:
    """The matrix's diagonal (D,)."""
    squares = [tile for tile in tiles(width) if tile.is_on_diagonal]
    return torch.cat([packed_P[tile.packed].view(tile.shape).diagonal() for tile in squares])


def inner_product(one_P: Tensor, other_P: Tensor, width: int) -> Tensor:
    """<M, M'>, the sum of products of entries over two whole matrices, a scalar."""
    parts = [tile.weight * torch.dot(one_P[tile.packed], other_P[tile.packed]) for tile in tiles(width)]
    return torch.stack(parts).sum()
