"""What a check found: findings in the order of their rules, and what they were judged by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shape_audit.records.frozen import Frozen

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From the worst."""


class Finding(Frozen):
    """One thing that a rule has seen."""

    rule: str
    """SA101 ..."""
    name: str
    """The rule's name in words: shape-outside-interval."""
    severity: Severity
    message: str
    """What was seen, with its numbers, in one sentence."""
    file: str
    """Where: a file of the model, by its name in the model's folder."""
    place: str
    """What in that file: a tensor, a key of the config; empty where it is the whole file."""
    fix: str
    """What to do about it."""
    fingerprint: str
    """16 hex digits of a sha256 over rule, file, place, and a counter where those are equal: the same one tomorrow."""


class Accepted(Frozen):
    """A finding that does not count, and why."""

    finding: Finding
    reason: str
    """The policy's reason, or that it stands in the baseline."""


class CheckReport(Frozen):
    """The outcome of one check."""

    repo_id: str
    revision: str | None
    """Commit sha of a Hub model; None of a folder."""
    tool_version: str
    rules_run: list[str]
    """Ids of the rules that looked."""
    rules_not_run: dict[str, str]
    """Id -> the option a rule waits for (`--deep`); where it was given and did not help, or the policy has a bound
    that only this rule judges, why (`--deep: ...`)."""
    findings: list[Finding]
    accepted: list[Accepted]
    fail_on: Severity
    settings: list[str] = Field(default_factory=list)
    """What it was judged by beside the defaults: each file, where it came from, and what was chosen."""
    read_as: list[str] = Field(default_factory=list)
    """What the model's name was read as, where that is not plain: a folder of that name, another name on the Hub."""
    rules_off: dict[str, str] = Field(default_factory=dict)
    """Id -> what switched a rule off: `--ignore`, `--select`, or a policy."""
    severities: dict[str, str] = Field(default_factory=dict)
    """Id -> severity that a policy gives a rule's findings, or `at least` that one."""

    @property
    def failing(self) -> list[Finding]:
        """The findings that decide the exit code."""
        worst = SEVERITIES[: SEVERITIES.index(self.fail_on) + 1]
        return [finding for finding in self.findings if finding.severity in worst]
