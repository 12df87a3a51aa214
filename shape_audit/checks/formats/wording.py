"""Sentences that several formats say in the same words."""

from __future__ import annotations

from collections import Counter

from shape_audit.records import SEVERITIES, CheckReport, Finding


def verdict(report: CheckReport) -> str:
    """One line: `fails: 2 errors, 1 note (fails on error)`."""
    counts = Counter(finding.severity for finding in report.findings)
    words = [f"{counts[level]} {level}{'s' if counts[level] != 1 else ''}" for level in SEVERITIES if counts[level]]
    found = ", ".join(words) or "nothing found"
    accepted = f"; {len(report.accepted)} accepted" if report.accepted else ""
    return f"{'fails' if report.failing else 'passes'}: {found}{accepted} (fails on {report.fail_on})"


def subject(report: CheckReport) -> str:
    """The model, with its commit where it has one."""
    return f"{report.repo_id}@{report.revision[:12]}" if report.revision else report.repo_id


def where(finding: Finding) -> str:
    """`model.safetensors: model.layers.3.mlp.up_proj.weight`"""
    return f"{finding.file}: {finding.place}" if finding.place else finding.file
