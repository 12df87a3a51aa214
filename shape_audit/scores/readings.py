"""What reading a result file gives: scores, and what was passed over and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from shape_audit.errors import CorruptFileError
from shape_audit.records import ScoreRecord
from shape_audit.shipped import facts


@dataclass(frozen=True)
class Piece:
    """One score of one file.

    Attributes:
        subjects: subject -> (accuracy, questions), of a run of some subjects; empty where it is a whole run's.
    """

    record: ScoreRecord
    subjects: Mapping[str, tuple[float, int]] = field(default_factory=dict)


ONLY = "only "
"""How the note begins that names the subjects of a score of some."""
Refusal = str | CorruptFileError
"""Why a part of a file gives no score: it is something else, or it is damaged."""


@dataclass(frozen=True)
class SkippedFile:
    """A file, or a part of one, that gave no score, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class ScoresRead:
    """What was found in files and folders.

    Attributes:
        skipped: files that could not be used; those that are no result files at all are not among them.
        other_files: how many JSON files were no result files of anything known.
    """

    scores: tuple[ScoreRecord, ...]
    skipped: tuple[SkippedFile, ...] = ()
    other_files: int = 0


def summary_of_skipped(skipped: Iterable[SkippedFile], *, first: int = 3) -> list[str]:
    """One line for each reason: the reason, the number of files, and the names of the first of them."""
    by_reason: dict[str, list[str]] = {}
    for one in skipped:
        by_reason.setdefault(one.reason, []).append(one.file)
    lines = []
    for reason, files in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(files) == 1:
            lines.append(f"{files[0]}: not read: {reason}")
        else:
            more = f" and {len(files) - first} more" if len(files) > first else ""
            lines.append(f"{len(files)} files not read: {reason}: {', '.join(files[:first])}{more}")
    return lines


def made_record(**fields: Any) -> ScoreRecord:
    """A record of an imported score.

    Raises:
        CorruptFileError: a field has a value that no run gives.
    """
    given = {"provider": "import", "is_limited": False, "notes": [], "date": None, "revision": None, **fields}
    try:
        return ScoreRecord(**given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptFileError(f"{where} is {first['input']!r:.60}, which no run gives") from error


def finite(value: Any) -> float | None:
    """A JSON value as a number; None where it is no finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        return None
    return float(value)


def questions_by_subject() -> Mapping[str, int]:
    """The 14 subjects of the test split, and their questions."""
    counts: Mapping[str, int] = facts("mmlu_pro_tasks")["subjects"]
    return counts
