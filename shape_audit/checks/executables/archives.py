"""What is packed in a file: members of zip and tar, the content of gzip, bzip2, xz and zlib; others are only named."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Protocol


@dataclass(frozen=True)
class Member:
    """Something in an archive.

    Attributes:
        open: gives its bytes as a stream.
        doubt: why these may not be what they should be; empty where there is no doubt.
    """

    name: str
    open: Callable[[], IO[bytes]]
    doubt: str = ""


MOST_MEMBERS = 20_000
_PIECE = 2**16
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard",
    b"\x04\x22\x4d\x18": "packed with LZ4",
    b"LZIP": "packed with lzip",
    b"\x1f\x9d": "packed with compress",
    b"MSCF\0\0\0\0": "a cabinet",
}
_SKIPPED = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A frame that Zstandard and LZ4 pass over, whatever it holds."""
XZ_MEMORY = 2**27


class Unpacker(Protocol):
    """A decompressor of `bz2` and `lzma`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class ZlibUnpacker:
    """The same of zlib and gzip, told by their headers."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=47)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class Inflated(io.RawIOBase):
    """What is packed, as a stream: no more is unpacked than is read; parts that follow each other are one."""

    def __init__(self, packed: IO[bytes], unpacker: Callable[[], Unpacker]) -> None:
        self._packed, self._make, self._unpacker, self._rest = packed, unpacker, unpacker(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while True:
            if self._unpacker.eof:
                self._rest = self._unpacker.unused_data or self._packed.read(_PIECE)
                if not self._rest.strip(b"\0"):
                    return 0
                self._unpacker = self._make()
            elif self._unpacker.needs_input and not self._rest:
                self._rest = self._packed.read(_PIECE)
                if not self._rest:
                    return 0  # cut off
            piece, self._rest = self._rest, b""
            content = self._unpacker.decompress(piece, len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)


def packing(head: bytes) -> str | None:
    """How a file that begins so is packed, in a way that is not looked into; None for all others."""
    if _SKIPPED.match(head):
        return "packed with Zstandard or LZ4"
    return next((what for magic, what in _OTHERS.items() if head.startswith(magic)), None)


def zip_members(head: bytes, stream: IO[bytes]) -> list[Member] | None:
    """The members of a zip archive, also of one behind other bytes; None where this is none.

    Raises:
        zipfile.BadZipFile and others: it begins like one and is damaged.
    """
    stream.seek(0)
    if not head.startswith(_ZIP) and not zipfile.is_zipfile(stream):
        return None
    archive = zipfile.ZipFile(stream)
    return [
        Member(info.filename, partial(_opened, archive, info), "it asks for a password" * (info.flag_bits & 1))
        for info in archive.infolist()[:MOST_MEMBERS]
        if not info.is_dir()
    ]


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """A member as it stands: one that asks for a password in vain, or has a wrong checksum, is read by some loaders."""
    info.flag_bits &= ~1
    info.CRC = None  # type: ignore[assignment]  # zipfile compares it only where there is one
    return archive.open(info)


def tar_members(head: bytes, stream: IO[bytes]) -> Iterator[Member] | None:
    """The regular files of a tar archive; None where this is none."""
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    stream.seek(0)
    return _of_tar(tarfile.open(fileobj=stream, mode="r:"))


def _of_tar(archive: tarfile.TarFile) -> Iterator[Member]:
    for number, info in enumerate(archive):
        if number >= MOST_MEMBERS:
            return
        if info.isreg():
            yield Member(info.name, partial(_extracted, archive, info))


def _extracted(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return archive.extractfile(info) or io.BytesIO()


def inflated(head: bytes, stream: IO[bytes]) -> IO[bytes] | None:
    """The content of one packed file; None where this is none."""
    unpacker: Callable[[], Unpacker]
    if head.startswith(b"\x1f\x8b") or _is_zlib(head):
        unpacker = ZlibUnpacker
    elif head.startswith(b"BZh"):
        unpacker = bz2.BZ2Decompressor
    elif head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        unpacker = partial(lzma.LZMADecompressor, memlimit=XZ_MEMORY)
    else:
        return None
    stream.seek(0)
    return io.BufferedReader(Inflated(stream, unpacker))


def _is_zlib(head: bytes) -> bool:
    return len(head) > 2 and head[0] == 0x78 and (head[0] * 256 + head[1]) % 31 == 0
