"""Sizes that hardware likes: the facts `check` judges by, and `suggest` chooses by.

Matrix units work on tiles; a size that is no multiple of them is padded or slow (NVIDIA, Matrix Multiplication
Background User's Guide: multiples of 8 in 16-bit formats, better of 64 or 128). Fused attention serves some head
dimensions only (FlashAttention 2, README: up to 256). Tensor parallelism cuts heads and feed-forward width into equal
parts, one a device: 2, 4 or 8 within one machine.
"""

from __future__ import annotations

from collections.abc import Iterable

TILE, NEEDED = 64, 8
"""Multiples that are good, and below which tensor cores do not work on 16-bit numbers without padding."""
LARGE_TILE = 128
"""Multiple that is better still."""
LARGEST_HEAD = 256
"""Of fused attention."""
TENSOR_PARALLEL = (2, 4, 8)
"""Degrees that sizes should divide by, where nobody names others."""


def next_multiple(size: int, multiple: int = TILE) -> int:
    """The smallest multiple that is not below a size."""
    return -(-size // multiple) * multiple


def is_fused_head(head_dim: int) -> bool:
    """Whether fused attention kernels serve heads of this dimension."""
    return head_dim % NEEDED == 0 and 0 < head_dim <= LARGEST_HEAD


def unsplit(size: int, degrees: Iterable[int] = TENSOR_PARALLEL) -> list[int]:
    """The degrees of tensor parallelism into which a size does not split equally."""
    return [degree for degree in degrees if size % degree]
