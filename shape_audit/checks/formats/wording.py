"""Sentences that several formats say in the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from shape_audit.records import SEVERITIES, CheckReport, Finding, Severity


def verdict(report: CheckReport) -> str:
    """One line: `failed with 2 errors, 1 note (threshold: error)`."""
    found = counted(finding.severity for finding in report.findings) or "no findings"
    accepted = f"; {len(report.accepted)} accepted" if report.accepted else ""
    return f"{'failed' if report.failing else 'passed'} with {found}{accepted} (threshold: {report.fail_on})"


def counted(severities: Iterable[Severity]) -> str:
    """`2 errors, 1 note`; empty where there are none."""
    counts = Counter(severities)
    return ", ".join(f"{counts[one]} {one}{'s' if counts[one] != 1 else ''}" for one in SEVERITIES if counts[one])


def accepted_in_words(findings: Sequence[Finding]) -> str:
    """`2 findings: 1 error (SA402), 1 note (SA206)`, so that nobody accepts damage unawares."""
    parts = []
    for level in SEVERITIES:
        of_level = [finding.rule for finding in findings if finding.severity == level]
        if of_level:
            parts.append(f"{counted([level] * len(of_level))} ({', '.join(sorted({*of_level}))})")
    return f"{len(findings)} finding{'s' if len(findings) != 1 else ''}{': ' * bool(parts)}{', '.join(parts)}"


SHOWN = 20
"""Findings of one rule that a person is shown."""


def shown(report: CheckReport) -> list[Finding]:
    """The findings, the worst first; of a rule with very many the first ones, and one that counts the others."""
    found: list[Finding] = []
    counts: Counter[str] = Counter()
    for finding in sorted(report.findings, key=lambda finding: SEVERITIES.index(finding.severity)):
        counts[finding.rule] += 1
        if counts[finding.rule] <= SHOWN:
            found.append(finding)
    for rule, count in counts.items():
        if count > SHOWN:
            last = next(index for index in reversed(range(len(found))) if found[index].rule == rule)
            more = {"message": f"and {count - SHOWN} more of the same kind", "place": "", "fingerprint": ""}
            found.insert(last + 1, found[last].model_copy(update=more))
    return found


def rules_run(report: CheckReport) -> str:
    """How many rules ran, and which did not for want of an option."""
    options: dict[tuple[str, str], list[str]] = {}
    for rule, option in report.rules_not_run.items():
        options.setdefault((option, rule.rstrip("0123456789")), []).append(rule)
    left = [f"{_several(rules)} ({option})" for (option, _), rules in options.items()]
    return f"{len(report.rules_run)} rules ran" + (f"; not run: {'; '.join(left)}" if left else "")


def judged_by(report: CheckReport) -> list[str]:
    """Lines on how the name was read and where the settings are from, then on each way in which a rule counts for less
    or more: none hidden."""
    lines = [f"model: {note}" for note in report.read_as]
    lines.append(f"settings: {'; '.join(report.settings) or 'the defaults'}")
    off: dict[str, list[str]] = {}
    for rule, why in report.rules_off.items():
        off.setdefault(why, []).append(rule)
    if off:
        named = {why: "all others" if why.startswith("--select ") else ", ".join(rules) for why, rules in off.items()}
        lines.append("rules off: " + "; ".join(f"{rules} ({why})" for why, rules in named.items()))
    if report.severities:
        lines.append("severities: " + ", ".join(f"{rule} {level}" for rule, level in report.severities.items()))
    accepted = Counter((one.finding.rule, one.reason) for one in report.accepted)
    if accepted:
        counted = (f"{count} of {rule} ({reason})" for (rule, reason), count in accepted.items())
        lines.append(f"accepted: {'; '.join(counted)}")
    return lines


def _several(rules: list[str]) -> str:
    return ", ".join(rules) if len(rules) < 3 else f"{rules[0]}-{rules[-1]}"


def unable(report: CheckReport) -> dict[str, str]:
    """Id -> why, of rules that were asked for and could not look."""
    return {rule: reason for rule, reason in report.rules_not_run.items() if ": " in reason}


def subject(report: CheckReport) -> str:
    """The model, with its commit where it has one."""
    return f"{report.repo_id}@{report.revision[:12]}" if report.revision else report.repo_id


def where(finding: Finding) -> str:
    """`model.safetensors: model.layers.3.mlp.up_proj.weight`"""
    return f"{finding.file}: {finding.place}" if finding.place else finding.file
