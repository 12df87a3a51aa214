"""A check report for whoever reads it: one file a format, pure functions.

text: a terminal · json: a program · markdown: a step summary, a pull request · sarif: code scanning ·
junit: test reports · github: annotations in a workflow's log
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shape_audit.records import CheckReport

Format = Literal["text", "json", "sarif", "junit", "github", "markdown"]
FORMATS = get_args(Format)


def formatted(report: CheckReport, form: Format, *, anchor: str) -> RenderableType | str:
    """A report in one of the formats.

    Args:
        anchor: a file of the user's repository that findings are shown at, for formats that need one.
    """
    match form:  # each brings libraries that the others do without
        case "text":
            from shape_audit.checks.formats.text import as_text

            return as_text(report)
        case "json":
            from shape_audit.reports import as_json

            return as_json(report)
        case "markdown":
            from shape_audit.checks.formats.markdown import as_markdown

            return as_markdown(report)
        case "junit":
            from shape_audit.checks.formats.junit import as_junit

            return as_junit(report)
        case "sarif":
            from shape_audit.checks.formats.sarif import as_sarif

            return as_sarif(report, anchor)
        case "github":
            from shape_audit.checks.formats.github import as_github

            return as_github(report, anchor)
