"""SARIF 2.1.0, the form that code scanning reads (OASIS standard; GitHub's subset: rule ids, levels, locations,
partialFingerprints).

A model's files mostly are not in the repository whose CI runs this, and GitHub shows only results at files that are:
so every result is anchored to one the user names, config.json unless told otherwise, and says in its message which
file of the model is meant.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shape_audit.checks.all_rules import all_rules
from shape_audit.checks.formats.wording import judged_by, unable, where
from shape_audit.escaping import json_text
from shape_audit.records import CheckReport, Finding

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
VERSION = "2.1.0"


def as_sarif(report: CheckReport, anchor: str) -> str:
    """One run with all rules that were run, one result a finding; accepted ones as suppressed results."""
    results = [_result(finding, anchor, report.rules_run) for finding in report.findings]
    for accepted in report.accepted:
        suppressed = _result(accepted.finding, anchor, report.rules_run)
        suppressed["suppressions"] = [{"kind": "external", "justification": accepted.reason}]
        results.append(suppressed)
    driver = {
        "name": "shape-audit",
        "version": report.tool_version,
        "semanticVersion": report.tool_version,
        "rules": [_rule(id) for id in report.rules_run],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"shape-audit/check/{quote(report.repo_id)}/"},
        "invocations": [_invocation(report)],
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    return json_text({"$schema": SCHEMA, "version": VERSION, "runs": [run]})


def _invocation(report: CheckReport) -> dict[str, Any]:
    """What the run was judged by: rules that were off or could not look, and the lines that other formats show."""
    could_not = [
        {"level": "warning", "message": {"text": f"{id} not run: {reason}"}, "associatedRule": {"id": id}}
        for id, reason in unable(report).items()
    ]
    return {
        "executionSuccessful": True,
        "ruleConfigurationOverrides": [
            {"descriptor": {"id": id}, "configuration": {"enabled": False}} for id in report.rules_off
        ],
        "toolConfigurationNotifications": [{"level": "note", "message": {"text": line}} for line in judged_by(report)],
    } | ({"toolExecutionNotifications": could_not} if could_not else {})


def _rule(id: str) -> dict[str, Any]:
    rule = all_rules()[id]
    return {
        "id": id,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Finding, anchor: str, rules: list[str]) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": finding.severity,
        "message": {"text": f"{finding.message} [{where(finding)}] Fix: {finding.fix}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(anchor), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"name": finding.place or finding.file, "fullyQualifiedName": where(finding)}],
            }
        ],
        "partialFingerprints": {"shapeAuditFinding/v1": finding.fingerprint},
    }
