"""A `Table` as Markdown, with everything escaped that came from outside."""

from __future__ import annotations

from shape_audit.escaping import markdown as escaped
from shape_audit.reports.tables import Table, lines

__all__ = ["escaped", "markdown_table"]


def markdown_table(table: Table) -> str:
    """A second-level heading and a pipe table."""
    header = "| " + " | ".join(escaped(column) for column in table.columns) + " |"
    marks = ["---", *("---:" if table.numeric else "---" for _ in table.columns[1:])]
    rows = [
        "| " + " | ".join(" ".join(escaped(line) for line in lines(cell)) for cell in row) + " |" for row in table.rows
    ]
    return "\n".join([f"## {escaped(table.title)}", "", header, "| " + " | ".join(marks) + " |", *rows])
