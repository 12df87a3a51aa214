"""What is known of each model of a question so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from shape_audit.app.question import Question
from shape_audit.app.reading_process import Limits, TimedOutError, messages
from shape_audit.records import AuditRecord, Finding


@dataclass(frozen=True)
class Findings:
    """What `check` found: its verdict, which rules ran, and of each rule as many findings as a person is shown."""

    verdict: str
    rules_run: str
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> str | None:
        """The worst severity among them."""
        return self.findings[0].severity if self.findings else None


@dataclass(frozen=True)
class Answer:
    """What is known of one model.

    Attributes:
        name: as it was typed.
        problem: why there is no record, or nothing more, in one line.
        step: what is being done; None before anything is, and when all is done.
        windows: measured so far, and in all.
    """

    name: str
    record: AuditRecord | None = None
    findings: Findings | None = None
    problem: str | None = None
    step: str | None = None
    windows: tuple[int, int] | None = None

    def told(self, kind: str, content: Any) -> Answer:
        """With one message more, see `reader`; the same where that is only a sign of life."""
        if kind == "alive":
            return self
        if kind == "record":
            return replace(self, record=AuditRecord.model_validate(content), step=None, windows=None)
        if kind == "findings":
            found = tuple(map(Finding.model_validate, content["findings"]))
            return replace(self, findings=Findings(content["verdict"], content["rules_run"], found))
        if kind == "windows":
            return replace(self, windows=(content[0], content[1]))
        if kind == "step":
            return replace(self, step=content, windows=None)
        return replace(self, problem=content, step=None, windows=None)

    def ended(self, why: str) -> Answer:
        """When nothing more comes: where neither a record nor a problem has come, with the reason for that."""
        is_answered = self.record is not None or self.problem is not None
        return replace(self, step=None, windows=None, problem=self.problem if is_answered else f"{self.name}: {why}")


Answers = tuple[Answer, ...]


def answers(question: Question, token: str | None, limits: Limits) -> Iterator[Answers]:
    """What is known of all models, every few seconds and each time that something more is; the last are final."""
    known = [Answer(name) for name in question.names]
    why = "reading it ended early, perhaps for want of memory; try again later"
    try:
        for number, kind, content in messages(question, token, limits):
            known[number] = known[number].told(kind, content)
            yield tuple(known)
    except TimedOutError:
        why = f"given up after {limits.seconds} seconds: the Hub, or this server, is slow; try again later"
    yield tuple(answer.ended(why) for answer in known)
