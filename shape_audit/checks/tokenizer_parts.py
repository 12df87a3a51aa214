"""Whether the files of a tokenizer hold a vocabulary, by their names; which names do is data."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from shape_audit.shipped import facts


def has_vocabulary(names: Collection[str], tokenizer_class: str | None) -> bool:
    """Whether some tokenizer could be made from these files.

    Args:
        names: of the files in the model's folder.
        tokenizer_class: as the settings name it, with or without `Fast`; some classes need fewer files, or none.
    """
    kind = (tokenizer_class or "").removesuffix("Fast")
    table = facts("tokenizer_files")
    sets = [*table["vocabularies"], *([table["classes"][kind]] if kind in table["classes"] else [])]
    return any(all(any(fnmatchcase(name, part) for name in names) for part in parts) for parts in sets)


def tokenizer_parts(names: Collection[str]) -> list[str]:
    """The files among these that are a tokenizer's: its settings, and what would be half of a vocabulary."""
    table = facts("tokenizer_files")
    patterns = {*table["settings"], *(part for parts in table["vocabularies"] for part in parts)}
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
