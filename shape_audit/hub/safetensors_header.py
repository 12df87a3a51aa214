"""The header of a safetensors file, read as the untrusted input it is.

Format (huggingface/safetensors, README): 8 bytes little-endian header length N, N bytes of JSON
{name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {...}}, then the tensors' bytes, without holes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shape_audit.errors import CorruptFileError
from shape_audit.hub.json_faults import LFS_POINTER, NOT_FETCHED

LENGTH_PREFIX = 8
MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library itself."""

MAX_DIMENSIONS = 16
MAX_NAME = 256
MAX_TENSORS = 100_000
"""No file of a model holds more tensors, no tensor more dimensions or a longer name: such a header would only cost
minutes."""

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
"""Bits an element takes, for every dtype of safetensors 0.8."""


HeaderFault = Literal["not-safetensors", "size", "offsets", "hole", "duplicate-key", "entry"]


class HeaderError(CorruptFileError):
    """A header that is not sound; `kind` says in which way."""

    def __init__(self, message: str, kind: HeaderFault) -> None:
        super().__init__(message)
        self.kind: HeaderFault = kind


@dataclass(frozen=True)
class TensorHeader:
    """What a header says about one tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


def element_bits(dtype: str) -> int:
    """Bits that one element of a safetensors dtype takes."""
    return BITS[dtype]


def header_length(prefix: bytes, *, file: str, file_size: int | None) -> int:
    """The length of the JSON part, from the file's first 8 bytes.

    Raises:
        CorruptFileError: too short, longer than the file, or beyond `MAX_HEADER_BYTES`.
    """
    if len(prefix) < LENGTH_PREFIX:
        raise HeaderError(f"{file}: too short for a safetensors file", "not-safetensors")
    length = int.from_bytes(prefix[:LENGTH_PREFIX], "little")
    if LFS_POINTER.encode().startswith(prefix[:LENGTH_PREFIX]):
        raise HeaderError(f"{file}: {NOT_FETCHED}", "not-safetensors")
    if length > MAX_HEADER_BYTES:
        raise HeaderError(
            f"{file}: not a safetensors file (it announces a header of {length:,} bytes)", "not-safetensors"
        )
    if file_size is not None and LENGTH_PREFIX + length > file_size:
        raise HeaderError(f"{file}: truncated inside its header ({file_size:,} bytes)", "size")
    return length


def parse_header(raw: bytes, *, file: str, file_size: int | None) -> dict[str, TensorHeader]:
    """Parse and check the JSON part of a header.

    Args:
        raw: the JSON bytes, without the length prefix.
        file: name for messages.
        file_size: size of the whole file in bytes, where known: the data must fill it exactly.

    Returns:
        Tensor name -> header, in the order of the data.

    Raises:
        CorruptFileError: not JSON, duplicate keys, impossible shapes or offsets, holes, overlaps, wrong total.
    """
    if raw.count(b"[") + raw.count(b"{") > 4 * MAX_TENSORS:  # three for each tensor
        raise HeaderError(f"{file}: its header holds millions of lists or objects", "entry")
    try:
        content = json.loads(raw.decode("utf-8"), object_pairs_hook=lambda pairs: _unique(pairs, file))
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"{file}: its header is not JSON; the file is damaged", "not-safetensors") from error
    if not isinstance(content, dict):
        raise HeaderError(f"{file}: its header is not a JSON object", "not-safetensors")
    metadata = content.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise HeaderError(f"{file}: __metadata__ of its header holds something else than texts", "entry")
    if len(content) > MAX_TENSORS:
        raise HeaderError(f"{file}: its header names {len(content):,} tensors; no model has so many in a file", "entry")
    spans = sorted((_span(name, entry, file) for name, entry in content.items()), key=lambda span: span[:2])
    position = 0
    for begin, end, name, _ in spans:
        if begin != position:
            overlaps = begin < position
            what = "overlaps the one before it" if overlaps else "leaves a hole before it"
            kind: HeaderFault = "offsets" if overlaps else "hole"
            raise HeaderError(f"{file}: tensor {name} {what} (byte {begin:,} of the data)", kind)
        position = end
    if file_size is not None and LENGTH_PREFIX + len(raw) + position != file_size:
        expected = LENGTH_PREFIX + len(raw) + position
        what = "truncated" if file_size < expected else "longer than its header says"
        raise HeaderError(f"{file}: {what} ({file_size:,} bytes, the header says {expected:,})", "size")
    return {name: header for _, _, name, header in spans}


def _unique(pairs: list[tuple[str, Any]], file: str) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise HeaderError(f"{file}: its header names a key twice", "duplicate-key")
    return content


def _span(name: str, entry: Any, file: str) -> tuple[int, int, str, TensorHeader]:
    """(begin, end, name, header) of one tensor, each field checked."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, begin, end]
    except (TypeError, KeyError, ValueError) as error:
        raise HeaderError(f"{file}: tensor {name} has a malformed entry in the header", "entry") from error
    if not isinstance(shape, list) or any(type(n) is not int or not 0 <= n < 2**63 for n in numbers):
        raise HeaderError(f"{file}: tensor {name} has a malformed shape or offset in the header", "entry")
    if len(shape) > MAX_DIMENSIONS or len(name) > MAX_NAME:
        raise HeaderError(f"{file}: tensor {name[:40]} has an impossible name or number of dimensions", "entry")
    if not isinstance(dtype, str) or dtype not in BITS:
        what = f"the unknown dtype {dtype!r:.40}" if dtype != "" else "an empty dtype"
        raise HeaderError(f"{file}: tensor {name} has {what}", "entry")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise HeaderError(f"{file}: tensor {name[:40]!a} has a name that is no text", "entry")
    header = TensorHeader(dtype, tuple(shape))
    if end < begin or (end - begin) * 8 != header.numel * BITS[dtype]:
        raise HeaderError(
            f"{file}: tensor {name} is {dtype} {list(shape)}, but the header gives it {end - begin:,} bytes",
            "offsets",
        )
    return begin, end, name, header


def read_header(path: Path) -> tuple[dict[str, TensorHeader], bytes]:
    """Read the header of a local file: the parsed form and its raw bytes (with the length prefix).

    Raises:
        CorruptFileError: see `parse_header`.
        OSError: the file cannot be read.
    """
    file, size = path.name, path.stat().st_size
    with path.open("rb") as stream:
        prefix = stream.read(LENGTH_PREFIX)
        raw = stream.read(header_length(prefix, file=file, file_size=size))
    return parse_header(raw, file=file, file_size=size), prefix + raw


def tensor_offsets(path: Path) -> dict[str, int]:
    """Tensor name -> where its bytes begin in a local file whose header is sound, in the order of the data."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_PREFIX), "little")
        content = json.loads(stream.read(length))
    content.pop("__metadata__", None)
    begins = {name: LENGTH_PREFIX + length + entry["data_offsets"][0] for name, entry in content.items()}
    return dict(sorted(begins.items(), key=lambda item: item[1]))


def raw_header(tensors: Mapping[str, TensorHeader]) -> tuple[bytes, int]:
    """A file's header for these tensors, length prefix included, and how many bytes of data belong to it."""
    content: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, header in tensors.items():
        end = position + header.numel * BITS[header.dtype] // 8
        content[name] = {"dtype": header.dtype, "shape": list(header.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(LENGTH_PREFIX, "little") + text, position
