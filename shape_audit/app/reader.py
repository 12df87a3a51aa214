"""The process that reads models for one visitor: `python -m shape_audit.app.reader`, started by `reading_process`.

It takes one JSON object on stdin, and says on stdout, a line of JSON each, what it has found so far. The visitor's
token comes on stdin too: neither the list of processes nor this one's first environment shows it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from shape_audit.app.advice import line_for_visitor
from shape_audit.app.question import MOST_MODELS, Question, asked
from shape_audit.errors import NotAuditableError
from shape_audit.records import ModelRef

BEAT = 2.0
"""Seconds between signs of life: who waits for this process notices at one that its visitor has left."""
WINDOWS = 32
"""Measured of each model: the fewest from which a report does not call its estimates rough."""

Say = Callable[[int, str, Any], None]
"""The model's number, what is said of it, and that itself."""


def main() -> None:
    """Answer the question on stdin."""
    say = _line_writer()
    given = json.load(sys.stdin)
    threading.Thread(target=_beat, args=(say,), daemon=True).start()
    _limit(given["memory"])
    if given["token"]:
        os.environ["HF_TOKEN"] = given["token"]  # huggingface_hub is not imported yet
    question = asked(" ".join(given["names"]), given["yardstick"])
    models = list(enumerate(question.models))
    if largest := given["largest"]:
        for number, model in models:
            _told(say, number, model, lambda number, model: _measure(say, number, model, largest))
        return
    with ThreadPoolExecutor(MOST_MODELS) as pool:
        for number, model in models:
            pool.submit(_told, say, number, model, lambda number, model: _read(say, number, model, question))


def _line_writer() -> Say:
    """Says lines on what is stdout now; whatever a library prints there later goes to stderr."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()  # so that the lines of several threads stay whole

    def say(number: int, kind: str, content: Any) -> None:
        with lock:
            lines.write(json.dumps([number, kind, content]) + "\n")
            lines.flush()

    return say


def _beat(say: Say) -> None:
    while True:
        time.sleep(BEAT)
        say(0, "alive", None)


def _limit(memory_bytes: int) -> None:
    """Bound what this process takes of memory, and the length of a file it writes."""
    with suppress(ImportError):  # Windows has no such limits
        import resource

        for limit in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE):
            with suppress(ValueError, OSError):  # a lower one holds already
                resource.setrlimit(limit, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # memory holds the token


def _told(say: Say, number: int, model: ModelRef, work: Callable[[int, ModelRef], None]) -> None:
    """Do it, and say in one line what went wrong."""
    try:
        work(number, model)
    except Exception as error:
        say(number, "problem", line_for_visitor(error, model.repo_id))


def _read(say: Say, number: int, model: ModelRef, question: Question) -> None:
    """The record that config and headers give, then what `check` finds."""
    from shape_audit.auditing import audit
    from shape_audit.checks import check, rules_run, shown, verdict

    try:
        record = audit(model, shape_only=True, yardstick=(question.yardstick,))
        say(number, "record", record.model_dump(mode="json", by_alias=True))
    except NotAuditableError as error:
        say(number, "problem", line_for_visitor(error, model.repo_id))
    report = check(model)
    findings = [finding.model_dump(mode="json") for finding in shown(report)]
    say(number, "findings", {"verdict": verdict(report), "rules_run": rules_run(report), "findings": findings})


def _measure(say: Say, number: int, model: ModelRef, largest: int) -> None:
    """The record of a measured audit, where the model is small enough."""
    from shape_audit.auditing import audit

    say(number, "step", "reading config and tensor headers")
    params = audit(model, shape_only=True, posted=False).shape.params_total
    if params > largest:
        raise NotAuditableError(
            f"{model.repo_id}: has {params:,} parameters; models of up to {largest:,} are measured here"
        )
    record = audit(model, windows=WINDOWS, posted=False, progress=_Progress(say, number))
    say(number, "record", record.model_dump(mode="json", by_alias=True))


class _Progress:
    """An `auditing.Progress` that says where it is."""

    def __init__(self, say: Say, number: int) -> None:
        self._say, self._number = say, number

    def step(self, text: str) -> None:
        self._say(self._number, "step", text)

    def windows(self, done: int, total: int, tokens: int) -> None:
        self._say(self._number, "windows", [done, total])


if __name__ == "__main__":
    main()
