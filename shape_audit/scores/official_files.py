"""Summaries of MMLU-Pro's own evaluation (TIGER-AI-Lab/MMLU-Pro): 5-shot chain of thought, its own extraction.

evaluate_from_api.py writes SUBJECT_summary.json, with right and wrong answers but without the model's name;
evaluate_from_local.py writes MODEL-CoT-SUBJECTS_TIME_summary.txt, with accuracies and the end of the model's name.
Neither says how many examples were shown or which version of the extraction ran, so that each is a protocol of its own,
beside `official-cot`, which was recomputed from the raw outputs in one way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.scores.protocols import QUESTIONS, SUBJECTS
from shape_audit.scores.readings import Piece, Refusal, made_record, questions_by_subject

API, LOCAL = "tiger-lab:evaluate_from_api", "tiger-lab:evaluate_from_local"
UNNAMED = "a summary of MMLU-Pro's own evaluation, which does not say which model was run; give it as MODEL=PATH"
SUMMARY_NAME = re.compile(r"(?:.*/)?(?P<model>.+)-CoT-(?P<subjects>.+)_\d\d-\d\d_\d\d-\d\d_summary\.txt")
_LINE = re.compile(r"^Average accuracy (?P<accuracy>[\d.]+) - (?P<subject>[\w ]+)$", re.MULTILINE)
_TOTAL = re.compile(r"^Average accuracy: (?P<accuracy>[\d.]+)$", re.MULTILINE)


def is_api_summary(content: Any) -> bool:
    """Whether a JSON value holds right and wrong answers by subject."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("total"), dict)
        and all(isinstance(row, dict) and {"corr", "wrong"} <= row.keys() for row in content.values())
    )


def is_local_summary(content: Any) -> bool:
    """Whether a text is what evaluate_from_local.py writes."""
    return isinstance(content, str) and "------category level sta------" in content


def read_api_summary(source: str, content: Mapping[str, Any], model: str | None) -> Iterator[Piece | Refusal]:
    """The score of a summary; see `read_lm_eval_pieces`."""
    counts = {str(name).replace(" ", "_"): (row.get("corr"), row.get("wrong")) for name, row in content.items()}
    corr, wrong = counts.pop("total")
    numbers = [corr, wrong, *(number for pair in counts.values() for number in pair)]
    if not counts or not counts.keys() <= questions_by_subject().keys():
        yield "right and wrong answers as MMLU-Pro's own evaluation writes them, of other subjects than its 14"
    elif not all(map(_is_count, numbers)) or corr + wrong <= 0:
        yield CorruptFileError("a summary of MMLU-Pro's own evaluation with counts that no run gives")
    elif sum(pair[0] for pair in counts.values()) != corr or sum(pair[1] for pair in counts.values()) != wrong:
        yield CorruptFileError("a summary of MMLU-Pro's own evaluation whose subjects do not add up to its total")
    elif model is None:
        yield UNNAMED
    else:
        yield _piece(source, model, API, {name: (int(a), int(a + b)) for name, (a, b) in counts.items()}, [])


def _piece(source: str, model: str, protocol: str, counts: Mapping[str, tuple[int, int]], notes: list[str]) -> Piece:
    right, n = sum(pair[0] for pair in counts.values()), sum(pair[1] for pair in counts.values())
    value, is_part = right / n, len(counts) < SUBJECTS
    if is_part:
        notes += [f"{len(counts)} of {SUBJECTS} subjects", f"only {', '.join(sorted(counts))}"]
    whole = {name: (a / b, b) for name, (a, b) in counts.items() if b >= questions_by_subject()[name]}
    record = made_record(
        model=model, protocol=protocol, value=value, stderr=math.sqrt(value * (1 - value) / n), n=n,
        is_limited=len(whole) < SUBJECTS, source=source, notes=notes,
    )  # fmt: skip
    return Piece(record, whole if is_part and len(whole) == len(counts) else {})


def read_local_summary(source: str, content: str, model: str | None) -> Iterator[Piece | Refusal]:
    """The score of a summary; accuracies stand in it with four digits, and always of all questions of a subject."""
    named = SUMMARY_NAME.fullmatch(source)
    rows = {match["subject"].strip().replace(" ", "_"): float(match["accuracy"]) for match in _LINE.finditer(content)}
    total = _TOTAL.search(content)
    if total is None or not rows or not rows.keys() <= questions_by_subject().keys():
        yield CorruptFileError("a summary of MMLU-Pro's own evaluation that ends before its average")
    elif model is None and named is None:
        yield UNNAMED
    else:
        subjects = {name: (value, questions_by_subject()[name]) for name, value in rows.items()}
        n, value = sum(count for _, count in subjects.values()), float(total["accuracy"])
        notes = ["four digits of it are known"]
        if n < QUESTIONS:
            notes += [f"{len(subjects)} of {SUBJECTS} subjects", f"only {', '.join(sorted(subjects))}"]
        record = made_record(
            model=model or (named["model"] if named else ""), protocol=LOCAL, value=value,
            stderr=math.sqrt(max(value * (1 - value), 0) / n), n=n, is_limited=n < QUESTIONS, source=source,
            notes=notes,
        )  # fmt: skip
        yield Piece(record, subjects if n < QUESTIONS else {})


def _is_count(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < 1e6 and value == int(value)
