"""Answers of a model to lm-eval's questions, kept as they come, so that a killed run goes on.

lm-eval's own cache is a database of pickles: whoever can write to its folder can run code. Here an answer is a line of
JSON in a file that is only ever added to. A line that was cut off by a kill, or is anything but an answer, is skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Answer = tuple[float, bool] | str
"""Log-likelihood and whether it was the greedy choice; or the text that was generated."""


class KeptAnswers:
    """The answers in a file, and what adds to them.

    It must be of one model and its settings alone: a key holds nothing but the question.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._answers: dict[str, Answer] = {}
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            with file.open("rb") as stream:
                for line in stream:
                    self._answers.update(_parsed(line))
        self._stream = file.open("ab")
        self._stream.write(b"\n")  # after a line that was cut off

    def __enter__(self) -> KeptAnswers:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.close()

    def get(self, kind: str, arguments: Iterable[Any]) -> Answer | None:
        """The answer to a question; None where there is none yet."""
        return self._answers.get(_key(kind, arguments))

    def add_partial(self, kind: str, arguments: Iterable[Any], answer: Any) -> None:
        """Keep an answer. The name is that of lm-eval's hook, which is called with each as it comes."""
        key = _key(kind, arguments)
        if key not in self._answers:
            self._answers[key] = tuple(answer) if isinstance(answer, list | tuple) else answer
            self._stream.write(json.dumps([key, answer]).encode() + b"\n")
            self._stream.flush()  # to the system, which keeps it though this process is killed


def _key(kind: str, arguments: Iterable[Any]) -> str:
    return hashlib.sha256(json.dumps([kind, *arguments]).encode()).hexdigest()


def _parsed(line: bytes) -> dict[str, Answer]:
    """The answer in a line; empty where it is none."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    match content:
        case [str(key), str(text)]:
            return {key: text}
        case [str(key), [float(likelihood), bool(is_greedy)]]:
            return {key: (likelihood, is_greedy)}
    return {}
