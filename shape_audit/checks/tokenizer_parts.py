"""Whether the files of a tokenizer hold a vocabulary, by their names; which names do is data."""

from __future__ import annotations

import json
from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any


def has_vocabulary(names: Collection[str], tokenizer_class: str | None) -> bool:
    """Whether some tokenizer could be made from these files.

    Args:
        names: of the files in the model's folder.
        tokenizer_class: as the settings name it, with or without `Fast`; some classes need fewer files, or none.
    """
    kind = (tokenizer_class or "").removesuffix("Fast")
    sets = [*_table()["vocabularies"], *([_table()["classes"][kind]] if kind in _table()["classes"] else [])]
    return any(all(any(fnmatchcase(name, part) for name in names) for part in parts) for parts in sets)


def tokenizer_parts(names: Collection[str]) -> list[str]:
    """The files among these that are a tokenizer's: its settings, and what would be half of a vocabulary."""
    patterns = {*_table()["settings"], *(part for parts in _table()["vocabularies"] for part in parts)}
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


@cache
def _table() -> dict[str, Any]:
    path = Path(__file__).resolve().parent.parent / "data" / "tokenizer_files.json"
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table
