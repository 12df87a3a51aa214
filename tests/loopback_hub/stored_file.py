"""One file at one commit: where its bytes are, and the two hashes by which the Hub names it."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.loopback_hub.git_objects import blob_oid

LFS_SUFFIXES = frozenset({".arrow", ".bin", ".gguf", ".h5", ".onnx", ".parquet", ".pt", ".safetensors"})
LFS_ABOVE_BYTES = 10 * 1024 * 1024
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class LfsPointer:
    """What git holds in place of a large file: the content's SHA-256. `pointer_size` is the pointer's own."""

    sha256: str
    pointer_size: int


@dataclass(frozen=True)
class StoredFile:
    """A file's content and identity.

    Attributes:
        content: The bytes, or the place on disk they are read from when asked for. A file on disk must not
            change while the hub serves it: size and hashes are taken once.
        size: Length of the content in bytes.
        oid: Git's id of what git stores: the content, or the LFS pointer.
        lfs: Set for a file kept in LFS, as weights are.
    """

    content: bytes | Path
    size: int
    oid: str
    lfs: LfsPointer | None

    @classmethod
    def at(cls, path_in_repo: str, content: bytes | Path) -> "StoredFile":
        """Measure and hash `content`; its name and size decide, as on the Hub, whether it lives in LFS."""
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        with _open(content) as stream:
            if not is_large(path_in_repo, size):
                return cls(content, size, blob_oid(stream, size), lfs=None)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        pointer_oid = blob_oid(io.BytesIO(pointer), len(pointer))
        return cls(content, size, pointer_oid, LfsPointer(sha256, len(pointer)))

    @property
    def etag(self) -> str:
        """The name under which clients cache the content: SHA-256 for LFS, else git's blob id."""
        return self.lfs.sha256 if self.lfs else self.oid

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `stop` (exclusive, by default the end) in chunks, opened when one is asked for."""
        left = (self.size if stop is None else stop) - start
        with _open(self.content) as stream:
            stream.seek(start)
            while left > 0 and (chunk := stream.read(min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk


def is_large(path_in_repo: str, size: int) -> bool:
    """Whether a file is kept in LFS rather than in git."""
    return PurePosixPath(path_in_repo).suffix in LFS_SUFFIXES or size > LFS_ABOVE_BYTES


def _open(content: bytes | Path) -> io.BufferedIOBase:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
