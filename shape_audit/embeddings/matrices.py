"""A matrix of token vectors, read a block of rows at a time: memory does not grow with the vocabulary."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shape_audit.hub import TensorHeader, tensor_offsets

ROWS_AT_A_TIME = 4096
STORED: dict[str, str] = {"BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
"""Safetensors dtype -> numpy's for its bytes; bfloat16, which numpy does not have, is the upper half of a float32."""

Rows = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ArrayMatrix:
    """A matrix (tokens, width) that is in memory."""

    rows_VD: np.ndarray[Any, Any]

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows_VD.shape[0], self.rows_VD.shape[1]

    def blocks(self) -> Iterator[Rows]:
        """Its rows in float64, in order."""
        for begin in range(0, len(self.rows_VD), ROWS_AT_A_TIME):
            yield self.rows_VD[begin : begin + ROWS_AT_A_TIME].astype(np.float64)


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix (tokens, width) in a safetensors file.

    Attributes:
        header: its dtype is one of `STORED`.
    """

    file: Path
    tensor: str
    header: TensorHeader

    @property
    def shape(self) -> tuple[int, int]:
        return self.header.shape[0], self.header.shape[1]

    def blocks(self) -> Iterator[Rows]:
        """Its rows in float64, in order.

        Raises:
            OSError: the file cannot be read.
        """
        begin, (rows, width) = tensor_offsets(self.file)[self.tensor], self.shape
        with self.file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for first in range(0, rows, ROWS_AT_A_TIME):
                count = min(ROWS_AT_A_TIME, rows - first)
                kind = np.dtype(STORED[self.header.dtype])
                stored = np.frombuffer(content, kind, count * width, begin + first * width * kind.itemsize)
                block_RD = self._floats(stored).astype(np.float64).reshape(count, width)
                del stored  # or the file could not be closed
                yield block_RD

    def _floats(self, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return (stored.astype("<u4") << 16).view("<f4") if self.header.dtype == "BF16" else stored
