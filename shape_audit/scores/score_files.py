"""Result files and folders -> scores, and what was passed over and why: the one way in which files become scores.

A file that cannot be used never stops the others. What belongs together is put together: single-subject files of one
run, and copies of one file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.records import ScoreRecord, read_small_file
from shape_audit.scores.foreign_layouts import foreign_layout
from shape_audit.scores.lighteval_files import is_lighteval, read_lighteval
from shape_audit.scores.lm_eval_files import is_lm_eval, read_lm_eval_pieces
from shape_audit.scores.official_files import is_api_summary, is_local_summary, read_api_summary, read_local_summary
from shape_audit.scores.parts_of_runs import once, whole_runs
from shape_audit.scores.readings import Piece, Refusal, ScoresRead, SkippedFile, summary_of_skipped
from shape_audit.scores.result_folders import Candidate, candidates

Read = Callable[[str, Any, str | None], Iterator[Piece | Refusal]]

LAYOUTS: tuple[tuple[Callable[[Any], bool], Read], ...] = (
    (is_lighteval, read_lighteval),
    (is_lm_eval, read_lm_eval_pieces),
    (is_api_summary, read_api_summary),
    (is_local_summary, read_local_summary),
)
"""Layouts that are read; `foreign_layouts` are named."""
NOTHING = "no result files in it"
UNKNOWN_LAYOUT = "not a result file of anything known (it has no results)"


@dataclass(frozen=True)
class _Found:
    """A score or a refusal, and the file it is from."""

    candidate: Candidate
    what: Piece | Refusal


def read_scores(paths: Sequence[Path | str], *, strict: bool = False) -> ScoresRead:
    """The MMLU-Pro scores in files and folders.

    Args:
        paths: result files, or folders of them, links followed. `MODEL=PATH` says which model they are of, for files
            that do not.
        strict: let no file be skipped.

    Raises:
        IncompleteError: one of the paths does not exist, or, if strict, a file cannot be used.
    """
    found: list[_Found] = []
    skipped: list[SkippedFile] = []
    others, seen = 0, set[Path]()
    for path in paths:
        model, place = _named(path)
        inside = list(candidates(place))
        if not inside:
            skipped.append(SkippedFile(str(place), NOTHING))
        for candidate in inside:
            real = candidate.path.resolve()
            if real in seen:
                continue
            seen.add(real)
            if candidate.problem is not None:
                skipped.append(SkippedFile(candidate.shown, candidate.problem))
                continue
            given = [_Found(candidate, what) for what in _pieces(candidate, model)]
            others += not given
            found += given
    skipped += [SkippedFile(one.candidate.shown, str(one.what)) for one in found if not isinstance(one.what, Piece)]
    pieces = [(one.candidate, one.what) for one in found if isinstance(one.what, Piece)]
    if strict and skipped:
        lines = "; ".join(summary_of_skipped(skipped))
        raise IncompleteError(f"{len(skipped)} result files cannot be used (--strict): {lines}")
    return ScoresRead(tuple(once(whole_runs(pieces))), tuple(skipped), others)


def read_lm_eval(path: Path) -> list[ScoreRecord]:
    """The MMLU-Pro scores of a result file of lm-eval, or of all that a folder holds; other tasks are passed over.

    Raises:
        IncompleteError: nothing is there, or it cannot be read.
        CorruptFileError: a file that is no result file of lm-eval, or has values that no run gives.
    """
    if path.is_dir():
        read = read_scores([path])
        if any(one.reason == NOTHING for one in read.skipped):
            raise IncompleteError(f"{path}: {NOTHING}")
        return list(read.scores)
    content = _content(path)
    if not is_lm_eval(content):
        raise CorruptFileError(f"{path}: not a result file of lm-eval (it has no results)")
    scores = []
    for piece in read_lm_eval_pieces(path.name, content, None):
        if isinstance(piece, CorruptFileError):
            raise CorruptFileError(f"{path}: {piece}") from piece
        if isinstance(piece, Piece):
            scores.append(piece.record)
    return scores


def _named(path: Path | str) -> tuple[str | None, Path]:
    """(model, path) of `MODEL=PATH`; a path that exists is itself, whatever stands in it."""
    if not Path(path).exists() and "=" in str(path):
        model, _, rest = str(path).partition("=")
        if model and rest:
            return model, Path(rest)
    return None, Path(path)


def _pieces(candidate: Candidate, model: str | None) -> Iterator[Piece | Refusal]:
    """All that a file gives; nothing, where it is no result file and does not look like one."""
    try:
        content = _content(candidate.path)
    except IncompleteError as error:
        if candidate.looks_like_results:
            yield CorruptFileError(str(error).removeprefix(f"{candidate.path}: "))
        return
    read = next((read for recognises, read in LAYOUTS if recognises(content)), None)
    words = foreign_layout(content)
    if read is None or words is not None:
        is_result = candidate.looks_like_results and (words is not None or not isinstance(content, str))
        if is_result or candidate.deserves_a_word or _is_of_mmlu_pro(content):
            yield words or UNKNOWN_LAYOUT
        return
    pieces = list(read(candidate.shown, content, model))
    yield from pieces
    if not pieces and candidate.looks_like_results:
        tasks = ", ".join(str(task) for task in content["results"]) if isinstance(content, Mapping) else ""
        yield f"no MMLU-Pro task in it, only {tasks[:60]}" if tasks else "no task in it"


def _is_of_mmlu_pro(content: Any) -> bool:
    text = content if isinstance(content, str) else json.dumps(content)
    return re.search("mmlu[-_ ]?pro", text[:50_000], re.IGNORECASE) is not None


def _content(path: Path) -> Any:
    """The JSON value of a file, in whichever encoding of Unicode, or its text where it is no .json.

    Raises:
        IncompleteError: it cannot be read.
        CorruptFileError: it is damaged.
    """
    raw = read_small_file(path)
    if path.suffix.lower() in (".txt", ".csv"):
        return raw.decode("utf-8-sig", "replace")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not a JSON file{_why(raw, error)}") from error


def _why(raw: bytes, error: Exception) -> str:
    if not raw.strip(b"\0 \t\r\n"):
        return " (it is empty)"
    if isinstance(error, json.JSONDecodeError) and error.doc.lstrip()[:1] in ("{", "["):
        ends = error.msg.startswith("Unterminated string") or error.pos >= len(error.doc.rstrip()) - 1
        return " (cut off: it ends in the middle)" if ends else ""
    return ""
