"""Which files of a folder loading can follow, besides config, tokenizer and weights: what a fingerprint must cover.

Those whose names transformers knows, and those that a settings file names, whichever way that is spelled: what counts
is a text of its parsed JSON that is the name of a file beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError
from shape_audit.hub.tokenizer_files import PATTERNS as TOKENIZER_PATTERNS
from shape_audit.hub.weight_files import CONFIG_FILE, SIDE_FILES
from shape_audit.records import read_small_file

FOLLOWED = (
    "adapter_config.json", "adapter_model.*", "generation_config.json", "chat_template.*",
    "additional_chat_templates/*.jinja", "tokenizer.*.json", "processor_config.json", "preprocessor_config.json",
    "*.spm", "*.bpe", "bpe.codes", *SIDE_FILES,
)  # fmt: skip
"""Adapters are loaded on top of the weights, generation settings and chat templates go into scores, versioned tokenizer
files replace tokenizer.json, and side files say how weights are packed."""
SETTINGS = (CONFIG_FILE, "tokenizer_config.json", "adapter_config.json", "processor_config.json")
LARGEST_SETTINGS = 4 * 2**20
MOST_NAMES = 10_000
"""Texts of a settings file that are looked at: no real one holds as many names of files."""


def followed_files(folder: Path) -> list[str]:
    """Names of those files, with `/`, sorted; regular files inside the folder only."""
    known = {name for pattern in FOLLOWED for name in _matching(folder, pattern)}
    named = {inside for name in SETTINGS for text in _texts_of(folder / name) for inside in _named(folder, text)}
    return sorted(known | named)


def _matching(folder: Path, pattern: str) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())


def _named(folder: Path, text: str) -> Iterator[str]:
    """The file of the folder that a text names, or the tokenizer files of the folder in it that it names."""
    if not 0 < len(text) < 256 or "\0" in text:
        return
    path = folder / text
    try:
        if path == folder or not path.resolve().is_relative_to(folder.resolve()):
            return
        if path.is_file():
            yield path.relative_to(folder).as_posix()
        elif path.is_dir():
            wanted = (*TOKENIZER_PATTERNS, *FOLLOWED, CONFIG_FILE)
            names = sorted(inside.name for inside in path.iterdir() if inside.is_file())
            yield from (
                (path / name).relative_to(folder).as_posix()
                for name in names
                if any(fnmatch(name, pattern) for pattern in wanted)
            )
    except (OSError, ValueError):  # a text that can be no path
        return


def _texts_of(path: Path) -> Iterator[str]:
    """The texts of a JSON file, keys left out; none where it cannot be read: whoever loads it will say so."""
    if not path.is_file():
        return
    try:
        todo: list[Any] = [json.loads(read_small_file(path, limit=LARGEST_SETTINGS))]
    except (IncompleteError, ValueError, RecursionError):
        return
    found = 0
    while todo and found < MOST_NAMES:
        value = todo.pop()
        if isinstance(value, str):
            found += 1
            yield value
        elif isinstance(value, dict | list):
            todo += value.values() if isinstance(value, dict) else value
