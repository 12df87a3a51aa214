"""Text -> bytes -> training batches.

A batch follows from (seed, step) alone, by a counter-based generator (Philox): a run that goes on draws what the
killed one would have drawn, every process of several knows the whole batch, and nothing has to be loaded or waited
for: the text is memory, or mapped into it.
"""

from __future__ import annotations

import hashlib
import lzma
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shape_audit.calibration import read_text
from shape_audit.errors import CorruptFileError, IncompleteError, UsageError

Bytes = NDArray[np.uint8]

SPLITS = ("train", "validation", "test")
VALIDATION_SHARE = TEST_SHARE = 0.05
"""Of a text that is not split."""
MOST_UNPACKED = 8 * 2**30
"""Bytes of an .xz file: a few KB can unpack to more than there is memory."""


@dataclass(frozen=True)
class SweepText:
    """The three texts of a sweep.

    Attributes:
        name: what the data were called.
        note: what a reader should know about the split; None where the files are split.
    """

    name: str
    train: Bytes
    validation: Bytes
    test: Bytes
    note: str | None = None

    @cached_property
    def sha256(self) -> dict[str, str]:
        """Split -> hash of its bytes."""
        return {split: hashlib.sha256(getattr(self, split)).hexdigest() for split in SPLITS}


def read_data(data: str, *, seq_len: int) -> SweepText:
    """The texts that `--data` names.

    Args:
        data: a folder with train.txt, validation.txt and test.txt, each of which may be .txt.xz; one .txt or .txt.xz
            file, whose first 90 % are for training, the next 5 % for validation and the last for the test, cut where
            a character begins; or `builtin:python-docs`, split likewise.
        seq_len: every text must hold a window of so many bytes and one more.

    Raises:
        IncompleteError: a file is not there or cannot be read, or holds too little text.
        CorruptFileError: an .xz file is damaged.
        UsageError: neither a folder nor a text file.
    """
    path = Path(data)
    if data.startswith("builtin:"):
        text = _split_by_position(data, np.frombuffer(read_text(data).content, np.uint8))
    elif path.is_dir():
        train, validation, test = (_read(_split_file(path, split)) for split in SPLITS)
        text = SweepText(path.name or data, train, validation, test)
    elif path.is_file():
        if not path.name.endswith((".txt", ".txt.xz")):
            raise UsageError(f"--data {data}: neither a folder nor a .txt or .txt.xz file")
        text = _split_by_position(path.name, _read(path))
    else:
        raise IncompleteError(f"--data {data}: no such file or folder")
    for split in SPLITS:
        found = len(getattr(text, split))
        if found < seq_len + 1:
            raise IncompleteError(
                f"--data {data}: too little {split} text: {found:,} bytes, a window takes {seq_len + 1:,}"
            )
    return text


def batch_starts(seed: int, step: int, *, batch: int, seq_len: int, text_bytes: int) -> NDArray[np.int64]:
    """Where the windows of a step begin (batch,): uniform, with replacement, the same on every machine."""
    generator = np.random.Generator(np.random.Philox(key=[seed, step]))
    return generator.integers(0, text_bytes - seq_len, size=batch)


def windows_at(text: Bytes, starts: NDArray[np.int64], seq_len: int) -> NDArray[np.int64]:
    """Token ids (B, seq_len + 1) of the windows that begin there: a token is a byte."""
    windows: NDArray[np.int64] = text[starts[:, None] + np.arange(seq_len + 1)].astype(np.int64)
    return windows


def _split_file(folder: Path, split: str) -> Path:
    for name in (f"{split}.txt", f"{split}.txt.xz"):
        if (folder / name).is_file():
            return folder / name
    raise IncompleteError(f"--data {folder}: no {split}.txt or {split}.txt.xz in it")


def _read(path: Path) -> Bytes:
    try:
        if path.suffix == ".xz":
            with lzma.open(path) as stream:
                content = stream.read(MOST_UNPACKED + 1)
            if len(content) > MOST_UNPACKED:
                raise IncompleteError(f"{path}: unpacks to more than {MOST_UNPACKED // 2**30} GiB; unpack it to a .txt")
            return np.frombuffer(content, np.uint8)
        if path.stat().st_size == 0:
            return np.zeros(0, np.uint8)
        return np.memmap(path, np.uint8, mode="r")
    except (lzma.LZMAError, EOFError) as error:
        raise CorruptFileError(f"{path}: not an .xz file, or a damaged one") from error
    except OSError as error:
        raise IncompleteError(f"{path}: {error.strerror or error}") from error


def _character_from(text: Bytes, start: int) -> int:
    """Where the first character of UTF-8 begins, from a byte on."""
    while start < len(text) and 0x80 <= text[start] < 0xC0:
        start += 1
    return start


def _split_by_position(name: str, whole: Bytes) -> SweepText:
    last = len(whole) - round(len(whole) * TEST_SHARE)
    validation, test = (_character_from(whole, cut) for cut in (last - round(len(whole) * VALIDATION_SHARE), last))
    return SweepText(
        name, whole[:validation], whole[validation:test], whole[test:],
        note=f"{name} is one text: its first 90 % train, the next 5 % validate, the last 5 % test",
    )  # fmt: skip
