"""Looking at every number of a safetensors file, a piece at a time: memory does not grow with the file.

Floating-point numbers are looked at as the integers their bits are: without its sign bit, a larger pattern is a larger
magnitude, and NaN and infinity are the largest of all. So one pass of integer maxima answers most questions, and
bfloat16, which numpy does not have, needs no conversion.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shape_audit.hub import TensorHeader, tensor_offsets

PIECE_BYTES = 2**20
"""Fits a core's cache, so that the second and third look at a piece cost little."""


@dataclass(frozen=True)
class FloatFormat:
    """How a floating-point dtype lies in its bits.

    Attributes:
        bits: numpy's name of the integer of that size.
        infinity: the pattern of +infinity; larger ones are NaN.
        half: the pattern of half the largest number.
    """

    bits: str
    infinity: int
    half: int


FORMATS: Mapping[str, FloatFormat] = {
    "BF16": FloatFormat("<u2", 0x7F80, 0x7EFF),
    "F16": FloatFormat("<u2", 0x7C00, 0x77FF),
    "F32": FloatFormat("<u4", 0x7F800000, 0x7EFFFFFF),
    "F64": FloatFormat("<u8", 0x7FF0000000000000, 0x7FDFFFFFFFFFFFFF),
}
"""Those that are looked at; 8-bit formats and integers are not."""


@dataclass(frozen=True)
class TensorNumbers:
    """What is odd about a tensor's numbers.

    Attributes:
        nan, infinite: how many.
        is_zero, is_constant: all numbers are 0; all are the same number, and that is not 0.
        zero_rows: of a matrix, the rows that are all 0.
        huge: how many are beyond half of the dtype's largest number.
        first_bad: index, in the flattened tensor, of the first NaN or infinity; None where there is none.
    """

    nan: int = 0
    infinite: int = 0
    is_zero: bool = False
    is_constant: bool = False
    zero_rows: int = 0
    huge: int = 0
    first_bad: int | None = None

    @property
    def is_finite(self) -> bool:
        return not self.nan and not self.infinite


def scan_file(path: Path, headers: Mapping[str, TensorHeader]) -> Iterator[tuple[str, TensorNumbers]]:
    """(name, findings) of every floating-point tensor of a file.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for name, begin in tensor_offsets(path).items():
            header = headers[name]
            layout = FORMATS.get(header.dtype)
            if layout is None or header.numel == 0:
                continue
            numbers = np.frombuffer(content, dtype=layout.bits, count=header.numel, offset=begin)
            try:
                yield name, _scan(numbers, header.shape, layout)
            finally:
                del numbers  # or the file could not be closed


def _scan(numbers: np.ndarray[Any, Any], shape: tuple[int, ...], layout: FloatFormat) -> TensorNumbers:
    """One tensor, in pieces of whole rows where it is a matrix of short ones."""
    step = PIECE_BYTES // numbers.itemsize
    columns = shape[-1] if len(shape) == 2 else 0
    if columns and columns <= step:
        step -= step % columns
    magnitude_mask = numbers.dtype.type(2 ** (8 * numbers.itemsize - 1) - 1)
    largest, nan, infinite, huge, zero_rows = 0, 0, 0, 0, 0
    first_bad: int | None = None
    first = numbers[0]
    is_same = True
    for begin in range(0, len(numbers), step):
        piece = numbers[begin : begin + step]
        magnitudes = piece & magnitude_mask
        top = int(magnitudes.max())
        largest = max(largest, top)
        if is_same:
            is_same = bool((piece == first).all())
        if top >= layout.infinity:
            nan += int((magnitudes > layout.infinity).sum())
            infinite += int((magnitudes == layout.infinity).sum())
            if first_bad is None:
                first_bad = begin + int(np.argmax(magnitudes >= layout.infinity))
        if top > layout.half:
            huge += int(((magnitudes > layout.half) & (magnitudes < layout.infinity)).sum())
        if columns and len(piece) % columns == 0:
            zero_rows += int((magnitudes.reshape(-1, columns)[:, 0] == 0).any()) and _zero_rows(magnitudes, columns)
    return TensorNumbers(
        nan=nan,
        infinite=infinite,
        is_zero=largest == 0,
        is_constant=is_same and largest != 0 and len(numbers) > 1,
        zero_rows=zero_rows if largest else 0,
        huge=huge,
        first_bad=first_bad,
    )


def _zero_rows(magnitudes: np.ndarray[Any, Any], columns: int) -> int:
    """Rows that are all 0, of which only those that begin with 0 are looked at."""
    rows = magnitudes.reshape(-1, columns)
    starting = rows[rows[:, 0] == 0]
    return int((starting.max(axis=1) == 0).sum())
