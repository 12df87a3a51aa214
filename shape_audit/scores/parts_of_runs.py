"""Scores that belong together: single-subject files of one run are one score, copies of one file are one score."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from pathlib import PurePath

from shape_audit.records import ScoreRecord
from shape_audit.scores.protocols import SUBJECTS
from shape_audit.scores.readings import ONLY, Piece
from shape_audit.scores.result_folders import Candidate

Part = tuple[Candidate, Piece]


def whole_runs(parts: Sequence[Part]) -> list[ScoreRecord]:
    """All scores, those of single subjects put together where they make up one run.

    Parts are one run if they are of one model, revision and protocol, and have each subject once: among all files, or
    among those of one folder.
    """
    groups: dict[Hashable, list[Part]] = {}
    scores = []
    for part in parts:
        record = part[1].record
        if part[1].subjects:
            key = (record.model.casefold(), record.revision, record.subfolder, record.variant, record.protocol)
            groups.setdefault(key, []).append(part)
        else:
            scores.append(record)
    for group in groups.values():
        distinct = _without_copies(group)
        if is_whole(distinct):
            scores.append(_together(distinct))
            continue
        folders: dict[PurePath, list[Part]] = {}
        for part in distinct:
            folders.setdefault(part[0].path.parent, []).append(part)
        for inside in folders.values():
            scores += [_together(inside)] if is_whole(inside) else [piece.record for _, piece in inside]
    return scores


def is_whole(parts: Sequence[Part]) -> bool:
    """Whether the parts have each of the 14 subjects once."""
    subjects = [subject for _, piece in parts for subject in piece.subjects]
    return len(subjects) == len(set(subjects)) == SUBJECTS


def once(scores: Iterable[ScoreRecord]) -> list[ScoreRecord]:
    """Each score once, with the files it stands in where those are several."""
    copies: dict[Hashable, list[ScoreRecord]] = {}
    for score in scores:
        subjects = [note for note in score.notes if note.startswith(ONLY)]
        key = score.model_dump_json(exclude={"source", "notes", "provider"}), *subjects
        copies.setdefault(key, []).append(score)
    return [_noted(found) for found in copies.values()]


def _noted(copies: Sequence[ScoreRecord]) -> ScoreRecord:
    first = next((score for score in copies if score.provider == "run"), copies[0])
    files = list(dict.fromkeys(score.source for score in copies))
    if len(files) < 2:
        return first
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    note = f"the same result stands in {len(files)} files: {', '.join(files[:3])}{more}"
    return first.model_copy(update={"notes": [*first.notes, note]})


def _without_copies(parts: Sequence[Part]) -> list[Part]:
    found: dict[str, Part] = {}
    for part in parts:
        found.setdefault(part[1].record.model_dump_json(exclude={"source", "date"}), part)
    return list(found.values())


def _together(parts: Sequence[Part]) -> ScoreRecord:
    counts = [count for _, piece in parts for count in piece.subjects.values()]
    n = sum(count for _, count in counts)
    value = sum(accuracy * count for accuracy, count in counts) / n
    first = parts[0][1].record
    sources = [piece.record.source for _, piece in parts]
    dtypes = {piece.record.dtype for _, piece in parts}
    return first.model_copy(
        update={
            "value": value,
            "stderr": math.sqrt(value * (1 - value) / n),
            "n": n,
            "is_limited": False,
            "source": f"{len(sources)} files: {sources[0]} ... {sources[-1]}",
            "dtype": first.dtype if len(dtypes) == 1 else None,
            "date": max((piece.record.date for _, piece in parts if piece.record.date), default=None),
            "notes": [f"the mean over subjects by their questions, which stand in {len(sources)} files"],
        }
    )
