"""The questions of a run: whether they are MMLU-Pro's own is seen by their content, not by the name of a folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError, UsageError, explained
from shape_audit.shipped import facts

DATASET = "TIGER-Lab/MMLU-Pro"
SPLITS = ("test", "validation")
COLUMNS = ("question", "options", "answer", "category", "cot_content")
MOST_TRAFFIC = 2**26
"""Bytes that may come in for questions: those published are 4.2 MB."""
MOST_SECONDS = 1800.0
"""Of waiting for them."""
_COMMIT = re.compile("@([0-9a-f]{40})/")


@dataclass(frozen=True)
class Questions:
    """What was asked.

    Attributes:
        a_subject: how many of each subject.
        source: where they are from, with a hash of their content, for the score's notes.
        set_apart: why a score on them compares with no other; None where it may.
    """

    a_subject: Counter[str]
    source: str
    set_apart: str | None


def watched_questions() -> AbstractContextManager[None]:
    """While open, whoever asks the Hub is sent no more than questions can be."""
    from shape_audit.hub import watched_session

    return watched_session(DATASET, size=MOST_TRAFFIC, seconds=MOST_SECONDS)


def read_questions(folder: Path | None) -> Questions:
    """The questions of the Hub or its cache, or those of a folder that the user has named.

    Raises:
        UsageError: no such folder.
        IncompleteError: they cannot be read.
    """
    from shape_audit.loader import rows_of_dataset

    if folder is not None and not folder.is_dir():
        raise UsageError(f"--questions {folder}: no such folder")
    name = DATASET if folder is None else str(folder.absolute())
    try:
        with watched_questions():
            rows = rows_of_dataset(name)
        splits = [rows[split] for split in SPLITS]
        digest = content_sha256(row for split in splits for row in split.select_columns(list(COLUMNS)))
        subjects = Counter(splits[0]["category"])
        files = " ".join(splits[0].info.download_checksums or ())
    except Exception as error:  # whatever the network, the cache and the files do
        known = explained(error, name)
        raise known or IncompleteError(f"{name}: the questions cannot be read ({error})") from error
    is_own = digest == facts("mmlu_pro_tasks")["questions_sha256"]
    commit = _COMMIT.search(files)
    where = f"the folder {folder}" if folder else f"{DATASET} at {commit[1][:12]}" if commit else DATASET
    source = f"questions: {where} (content sha256 {digest[:12]}{', as published' if is_own else ''})"
    is_other = folder is not None and not is_own
    return Questions(subjects, source, "the questions of a folder, not those published" if is_other else None)


def content_sha256(rows: Iterable[Mapping[str, Any]]) -> str:
    """A hash of all that decides an answer: questions, options, answers, subjects and worked examples, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row[column] for column in COLUMNS]).encode())
    return digest.hexdigest()
