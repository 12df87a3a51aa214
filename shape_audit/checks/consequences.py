"""One cause, one finding: what only follows from another finding is not reported a second time.

A wrong num_key_value_heads in config.json disagrees with the tensors (SA304), does not divide the heads (SA205), and
has transformers build other matrices than those stored (SA303, with --deep). A rule declares which rules see such
consequences (`explains`), and what is seen says what it is about; the cause then names the rules that its consequences
belong to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from shape_audit.checks.rule import Rule
from shape_audit.records import SEVERITIES, Finding

Told = tuple[Finding, frozenset[str]]
"""A finding, and what it is about."""


def causes(told: Sequence[Told], rules: Mapping[str, Rule]) -> list[Finding]:
    """The findings that follow from no other one. None hides behind one that is less severe."""
    explaining: dict[str, list[int]] = defaultdict(list)
    for number, (finding, subjects) in enumerate(told):
        for subject in subjects if rules[finding.rule].explains else ():
            explaining[subject].append(number)
    cause_of: dict[int, int] = {}
    for number, (finding, subjects) in enumerate(told):
        of_it = (one for subject in subjects for one in explaining.get(subject, ()))
        if (cause := next((one for one in of_it if _explains(told[one][0], finding, rules)), None)) is not None:
            cause_of[number] = cause
    consequences: dict[int, set[str]] = defaultdict(set)
    for number, cause in cause_of.items():
        while cause in cause_of:
            cause = cause_of[cause]
        consequences[cause].add(told[number][0].rule)
    return [_with_consequences(found, consequences[i]) for i, (found, _) in enumerate(told) if i not in cause_of]


def _explains(cause: Finding, other: Finding, rules: Mapping[str, Rule]) -> bool:
    is_as_severe = SEVERITIES.index(cause.severity) <= SEVERITIES.index(other.severity)
    return is_as_severe and cause.rule != other.rule and other.rule.startswith(rules[cause.rule].explains)


def _with_consequences(finding: Finding, rules: set[str]) -> Finding:
    if not rules:
        return finding
    verb = "follows" if len(rules) == 1 else "follow"
    return finding.model_copy(update={"message": f"{finding.message} ({', '.join(sorted(rules))} {verb} from this)"})
