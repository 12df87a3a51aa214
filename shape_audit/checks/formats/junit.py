"""JUnit XML: a suite for the model, a test case for every rule that was run.

There is no one schema; this is the form that Jenkins and GitLab read (testsuites, testsuite, testcase, failure).
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from shape_audit.checks.all_rules import all_rules
from shape_audit.checks.formats.wording import judged_by, subject, unable, where
from shape_audit.escaping import xml
from shape_audit.records import CheckReport, Finding


def as_junit(report: CheckReport) -> str:
    """A rule fails where one of its findings decides the exit code; what it found besides stands in system-out."""
    failing = {finding.fingerprint for finding in report.failing}
    suites = Element("testsuites", name="shape-audit check")
    suite = SubElement(suites, "testsuite", name=xml(subject(report)))
    properties = SubElement(suite, "properties")
    for line in judged_by(report):
        name, _, value = line.partition(": ")
        SubElement(properties, "property", name=name, value=xml(value))
    failures, rules = 0, all_rules()
    for id in report.rules_run:
        found = [finding for finding in report.findings if finding.rule == id]
        case = SubElement(suite, "testcase", classname=f"shape-audit.{rules[id].family}", name=f"{id} {rules[id].name}")
        worst = [finding for finding in found if finding.fingerprint in failing]
        if worst:
            failures += 1
            first = worst[0]
            failure = SubElement(case, "failure", type=first.severity, message=xml(first.message))
            failure.text = "\n".join(_line(finding) for finding in worst)
        others = [finding for finding in found if finding.fingerprint not in failing]
        if others:
            SubElement(case, "system-out").text = "\n".join(_line(finding) for finding in others)
    skipped = unable(report)
    for id, reason in skipped.items():
        case = SubElement(suite, "testcase", classname=f"shape-audit.{rules[id].family}", name=f"{id} {rules[id].name}")
        SubElement(case, "skipped", message=xml(reason))
    for element in (suites, suite):
        element.set("tests", str(len(report.rules_run) + len(skipped)))
        if skipped:
            element.set("skipped", str(len(skipped)))
        element.set("failures", str(failures))
        element.set("errors", "0")
    indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _line(finding: Finding) -> str:
    return xml(f"{finding.severity}: {finding.message} [{where(finding)}] Fix: {finding.fix}")
