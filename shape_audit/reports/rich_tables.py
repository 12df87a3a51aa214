"""A `Table` drawn by rich. Cells are plain text: nothing in them is read as markup."""

from __future__ import annotations

from collections.abc import Iterable

from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from shape_audit.escaping import visible
from shape_audit.reports.tables import Table, lines

SHORT = 34
"""Characters. A first column of names no longer than that is not broken into lines; the others make room."""


def plain(text: str, style: str = "") -> Text:
    """Text shown as it is: no markup, and no control characters that a terminal would obey."""
    return Text(visible(text), style=style)


def bullets(lines: Iterable[str]) -> list[Padding]:
    """Each line behind a dash, set in."""
    return [Padding(plain(f"- {line}"), (0, 0, 0, 2)) for line in lines]


def rich_table(table: Table) -> RichTable:
    """A quiet table: a title, a dim header, numbers to the right, no lines."""
    drawn = RichTable(
        title=plain(table.title, style="bold"),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_header=any(table.columns),
        header_style="dim",
    )
    for i, column in enumerate(table.columns):
        right = table.numeric and i > 0
        cells = [line for row in table.rows for line in lines(row[i])]
        is_whole = right or (i == 0 and not table.numeric and max(map(len, cells), default=0) <= SHORT)
        drawn.add_column(plain(column), justify="right" if right else "left", overflow="fold", no_wrap=is_whole)
    for row in table.rows:
        drawn.add_row(*(Text("\n").join(plain(line) for line in lines(cell)) for cell in row))
    return drawn
