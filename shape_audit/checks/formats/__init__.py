"""A check report for whoever reads it: one file a format, pure functions.

text: a terminal · json: a program · markdown: a step summary, a pull request · sarif: code scanning ·
junit: test reports · github: annotations in a workflow's log
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from rich.console import RenderableType

from shape_audit.checks.formats.github import as_github
from shape_audit.checks.formats.json_form import as_json
from shape_audit.checks.formats.junit import as_junit
from shape_audit.checks.formats.markdown import as_markdown
from shape_audit.checks.formats.sarif import as_sarif
from shape_audit.checks.formats.text import as_text
from shape_audit.records import CheckReport

Format = Literal["text", "json", "sarif", "junit", "github", "markdown"]
FORMATS = get_args(Format)

_WITH_ANCHOR: dict[str, Callable[[CheckReport, str], str]] = {"sarif": as_sarif, "github": as_github}
_PLAIN: dict[str, Callable[[CheckReport], RenderableType | str]] = {
    "text": as_text,
    "json": as_json,
    "junit": as_junit,
    "markdown": as_markdown,
}


def formatted(report: CheckReport, form: Format, *, anchor: str) -> RenderableType | str:
    """A report in one of the formats.

    Args:
        anchor: a file of the user's repository that findings are shown at, for formats that need one.
    """
    return _WITH_ANCHOR[form](report, anchor) if form in _WITH_ANCHOR else _PLAIN[form](report)
