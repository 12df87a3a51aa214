"""A `Table` as Markdown, with everything escaped that came from outside."""

from __future__ import annotations

import re

from shape_audit.reports.tables import Table, lines

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")
_LIST = re.compile(r"^(\d{0,9})([.)+-])(?=\s|-|$)")
"""What begins a list or a rule where it stands first in a line: `6) `, `- `, `---`."""


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, on one line."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    return _LIST.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", " ".join(visible.split())))


def markdown_table(table: Table) -> str:
    """A second-level heading and a pipe table."""
    header = "| " + " | ".join(escaped(column) for column in table.columns) + " |"
    marks = ["---", *("---:" if table.numeric else "---" for _ in table.columns[1:])]
    rows = [
        "| " + " | ".join(" ".join(escaped(line) for line in lines(cell)) for cell in row) + " |" for row in table.rows
    ]
    return "\n".join([f"## {escaped(table.title)}", "", header, "| " + " | ".join(marks) + " |", *rows])
