"""Saving windows and replaying them: JSON Lines, first a line about the tokenizer, then one line a window."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from shape_audit.calibration.tokenizer import WindowTokenizer
from shape_audit.calibration.window_set import Window, WindowSet, covered_bytes
from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.records import Calibration, read_small_file, write_text_atomically

MAX_WINDOWS_FILE = 2**30


def save_windows(path: Path, window_set: WindowSet) -> None:
    """Write windows to a file that `replay_windows` reads.

    Raises:
        IncompleteError: the file cannot be written.
    """
    lines = [json.dumps({"tokenizer_sha256": window_set.facts.tokenizer_sha256})]
    lines += [
        json.dumps({"index": w.index, "byte_offsets": w.byte_offsets, "input_ids": w.input_ids})
        for w in window_set.windows
    ]
    try:
        write_text_atomically(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise IncompleteError(f"{path}: the windows could not be written ({error.strerror or error})") from error


def replay_windows(path: Path, tokenizer: WindowTokenizer, *, vocab_size: int | None = None) -> WindowSet:
    """Read windows from a file, for the model whose tokenizer made them.

    Args:
        path: as `save_windows` writes it.
        tokenizer: of the model that will see the windows.
        vocab_size: ids must be below it, where it is known.

    Raises:
        IncompleteError: the file cannot be read.
        UsageError: the windows were made by another tokenizer.
        CorruptFileError: no windows, windows of different length, ids outside the vocabulary, other damage.
    """
    content = read_small_file(path, limit=MAX_WINDOWS_FILE)
    try:
        lines = [json.loads(line) for line in content.decode("utf-8-sig").splitlines() if line.strip()]
        made_by = lines[0]["tokenizer_sha256"]
        windows = tuple(_window(line) for line in lines[1:])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not a windows file; see --save-windows") from error
    if made_by != tokenizer.sha256:
        raise UsageError(f"{path}: these windows were made by another tokenizer than this model's")
    lengths = {len(window.input_ids) for window in windows}
    if len(lengths) != 1 or min(lengths) < 2:
        raise CorruptFileError(f"{path}: windows must all have one length of at least 2 ids")
    if len({window.index for window in windows}) != len(windows):
        raise CorruptFileError(f"{path}: two windows have the same index")
    if vocab_size is not None and any(max(window.input_ids) >= vocab_size for window in windows):
        raise CorruptFileError(f"{path}: holds ids that the model's vocabulary of {vocab_size} has not")
    seq_len = lengths.pop() - 1
    facts = Calibration(
        dataset=path.name,
        config=None,
        revision=None,
        split=None,
        column=None,
        text_sha256=hashlib.sha256(content).hexdigest(),
        tokenizer_sha256=tokenizer.sha256,
        adds_bos=tokenizer.adds_bos,
        windows=len(windows),
        seq_len=seq_len,
        passage_bytes=None,
        tokens=len(windows) * seq_len,
        bytes=covered_bytes(windows),
        seed=None,
    )
    return WindowSet(windows=windows, facts=facts)


def _window(line: Any) -> Window:
    ids, span = line["input_ids"], line["byte_offsets"]
    if not all(type(i) is int and i >= 0 for i in [line["index"], *ids, *(span or (0, 0))]):
        raise ValueError("not a whole number")
    if span is not None and (len(span) != 2 or span[1] < span[0]):
        raise ValueError("not a span")
    return Window(index=line["index"], byte_offsets=tuple(span) if span is not None else None, input_ids=tuple(ids))
