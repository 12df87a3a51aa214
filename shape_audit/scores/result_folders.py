"""Where result files may lie: a path -> the files to look into, links followed, no folder twice."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shape_audit.errors import IncompleteError

RESULTS = re.compile(
    r"(.*_)?results?([_.-].*)?\.json|.*_\d{4}-\d\d-\d\dT\d\d[-:.]\d\d[-:.]\d\d([.\d]*)\.json"
    r"|(.*[_-])?(summary|metrics|stats|run_spec)([_-].*)?\.(json|csv|txt)|eval_record_collection\.csv",
    re.IGNORECASE,
)
"""Names under which result files have been seen: those deserve a word where they cannot be used."""
NEVER_RESULTS = re.compile(
    r"(.*[_.-])?(config|tokenizer|vocab|merges|index|params|special_tokens_map|added_tokens|trainer_state|package|"
    r"package-lock|tsconfig|dataset_info|dataset_infos|state|preprocessor_config|chat_template)\.json",
    re.IGNORECASE,
)
_OF_MMLU_PRO = re.compile(r"mmlu[-_ ]?pro", re.IGNORECASE)
RESULT_SUFFIXES = (".json", ".txt", ".csv")


@dataclass(frozen=True)
class Candidate:
    """A file that may hold scores.

    Attributes:
        shown: its name in reports, from the folder that was given.
        looks_like_results: by its name, or because it was given itself.
        deserves_a_word: whatever it holds: it was given itself, or has the benchmark's name.
        problem: why it cannot even be looked at.
    """

    path: Path
    shown: str
    looks_like_results: bool
    deserves_a_word: bool
    problem: str | None = None


def candidates(place: Path) -> Iterator[Candidate]:
    """The files to look into, in order of their names.

    Raises:
        IncompleteError: there is no such path.
    """
    if place.is_dir():
        yield from _in_folder(place)
    elif not place.exists():
        raise IncompleteError(f"{place}: No such file or directory")
    else:
        yield Candidate(place, place.name, True, True)


def _in_folder(place: Path) -> Iterator[Candidate]:
    visited: set[tuple[int, int]] = set()
    faults: list[OSError] = []
    for folder, folders, files in os.walk(place, followlinks=True, onerror=faults.append):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:  # a link to a folder above, or a second way to this one
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            is_named = _OF_MMLU_PRO.search(name) is not None
            looks = RESULTS.fullmatch(name) is not None or is_named
            if path.suffix.lower() in RESULT_SUFFIXES and (
                looks or (path.suffix.lower() == ".json" and not _is_never(name))
            ):
                problem = None if path.exists() else "a link to a file that is not there"
                yield Candidate(path, path.relative_to(place).as_posix(), looks, is_named, problem)
    for fault in faults:
        where = os.path.relpath(fault.filename or place, place)
        yield Candidate(
            Path(fault.filename or place), where, True, True, f"the folder cannot be read ({fault.strerror})"
        )


def _is_never(name: str) -> bool:
    return NEVER_RESULTS.fullmatch(name) is not None
