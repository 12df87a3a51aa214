"""Texts as they lie on disk, and batches that follow from seed and step alone."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.sweep.bytes_data import batch_starts, read_data, windows_at
from shape_audit.sweep.model_folder import byte_tokenizer

TEXT = bytes(range(256)) * 40


def test_a_folder_of_splits_plain_or_packed(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(TEXT)
    (tmp_path / "validation.txt.xz").write_bytes(lzma.compress(TEXT[:1000]))
    (tmp_path / "test.txt").write_bytes(TEXT[1000:2000])
    text = read_data(str(tmp_path), seq_len=16)
    assert bytes(text.train) == TEXT and bytes(text.validation) == TEXT[:1000] and bytes(text.test) == TEXT[1000:2000]
    assert isinstance(text.train, np.memmap) and text.note is None
    assert len(set(text.sha256.values())) == 3


def test_one_text_is_split_by_position_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    file.write_bytes(TEXT)
    text = read_data(str(file), seq_len=16)
    assert bytes(text.train) + bytes(text.validation) + bytes(text.test) == TEXT
    assert len(text.validation) == len(text.test) == round(len(TEXT) / 20)
    assert text.note and "first 90 % train" in text.note


def test_one_text_is_cut_where_a_character_begins(tmp_path: Path) -> None:
    content = "ab€".encode() * 400  # characters of one byte and of three
    for left_off in range(5):
        (tmp_path / "euro.txt").write_bytes(content[: len(content) - 5 * left_off])
        text = read_data(str(tmp_path / "euro.txt"), seq_len=16)
        parts = [bytes(part) for part in (text.train, text.validation, text.test)]
        assert b"".join(parts) == content[: len(content) - 5 * left_off]
        assert all(part.decode() for part in parts)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(TEXT)
    (tmp_path / "odd.csv").write_bytes(TEXT)
    (tmp_path / "short.txt").write_bytes(TEXT[:100])
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "cut.txt.xz").write_bytes(lzma.compress(TEXT)[:-20])
    for name, kind, line in (
        ("", IncompleteError, "no validation.txt"),
        ("gone", IncompleteError, "no such file"),
        ("odd.csv", UsageError, "neither a folder nor a .txt"),
        ("short.txt", IncompleteError, "too little validation text"),
        ("empty.txt", IncompleteError, "too little train text: 0 bytes"),
        ("cut.txt.xz", CorruptFileError, "not an .xz file"),
    ):
        with pytest.raises(kind, match=line):
            read_data(str(tmp_path / name), seq_len=16)


def test_a_batch_follows_from_seed_and_step() -> None:
    one = batch_starts(0, 7, batch=1000, seq_len=16, text_bytes=100)
    assert (one == batch_starts(0, 7, batch=1000, seq_len=16, text_bytes=100)).all()
    assert (one != batch_starts(0, 8, batch=1000, seq_len=16, text_bytes=100)).any()
    assert (one != batch_starts(1, 7, batch=1000, seq_len=16, text_bytes=100)).any()
    assert one.min() == 0 and one.max() == 100 - 17  # every window there is, and none beyond the end
    text = np.frombuffer(TEXT, np.uint8)
    windows = windows_at(text, one[:2], 16)
    assert windows.shape == (2, 17) and windows[1].tolist() == list(TEXT[one[1] : one[1] + 17])


def test_a_token_is_a_byte() -> None:
    tokenizer = byte_tokenizer(64)
    text = "Größe 漢字 \n\x00"
    assert tokenizer(text)["input_ids"] == list(text.encode())
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
