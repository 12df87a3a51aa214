"""A `Table` drawn by rich. Cells are plain text: nothing in them is read as markup.

No cell loses a character, however narrow the terminal: a table that is too wide becomes several, each with the first
column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from shape_audit.escaping import visible
from shape_audit.reports.tables import Table, lines

SHORT = 34
"""Characters. A first column of names no longer than that is not broken into lines; the others make room."""
GAP = 2
"""Between columns."""
NARROW = 20
"""Characters below which no column of words or long names is squeezed."""


def plain(text: str, style: str = "") -> Text:
    """Text shown as it is: no markup, and no control characters that a terminal would obey."""
    return Text(visible(text), style=style)


def bullets(lines: Iterable[str]) -> list[Padding]:
    """Each line behind a dash, set in."""
    return [Padding(plain(f"- {line}"), (0, 0, 0, 2)) for line in lines]


@dataclass(frozen=True)
class FittedTable:
    """A quiet table: a title, a dim header, numbers to the right, no lines."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, (table, widths) in enumerate(_parts(self.table, options.max_width)):
            if number:
                yield Text()
            yield _drawn(table, widths)


def _parts(table: Table, room: int) -> Iterator[tuple[Table, list[int]]]:
    """The table, or parts of its columns that there is room for, each with the first one; and how wide these are."""
    least = [_least(table, at) for at in range(len(table.columns))]
    begin = 1
    while True:
        end = begin
        while end < len(least) and _total([least[0], *least[begin : end + 1]]) <= room:
            end += 1
        end = min(max(end, begin + 1), len(least))  # one that is too wide by itself is folded
        chosen = [0, *range(begin, end)]
        title = table.title if begin == 1 else ""
        rows = tuple(tuple(row[at] for at in chosen) for row in table.rows)
        part = replace(table, title=title, columns=tuple(table.columns[at] for at in chosen), rows=rows)
        yield part, _widths([_natural(table, at) for at in chosen], [least[at] for at in chosen], room)
        if end >= len(least):
            return
        begin = end


def _total(widths: list[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _widths(natural: list[int], least: list[int], room: int) -> list[int]:
    """What each column gets: what it would have, and where that is too much, the widest ones give way."""
    widths = list(natural)
    while _total(widths) > room:
        at = max(range(len(widths)), key=lambda at: (widths[at] > least[at], widths[at]))
        if widths[at] <= 1:
            break
        widths[at] -= 1
    return widths


def _texts(table: Table, at: int) -> list[str]:
    """All that stands in a column."""
    return [table.columns[at], *(visible(line) for row in table.rows for line in lines(row[at]))]


def _natural(table: Table, at: int) -> int:
    return max(map(cell_len, _texts(table, at)))


def _least(table: Table, at: int) -> int:
    """The width below which a column is not to be squeezed: of numbers that of the longest, of words something less."""
    natural = _natural(table, at)
    is_whole = (table.numeric and at > 0) or (at == 0 and not table.numeric and natural <= SHORT)
    return natural if is_whole else min(natural, NARROW)


def _drawn(table: Table, widths: list[int]) -> RichTable:
    drawn = RichTable(
        title=plain(table.title, style="bold") if table.title else None,
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, GAP, 0, 0),
        show_header=any(table.columns),
        header_style="dim",
    )
    for at, (column, width) in enumerate(zip(table.columns, widths, strict=True)):
        drawn.add_column(
            plain(column), justify="right" if table.numeric and at > 0 else "left", overflow="fold", width=width
        )
    for row in table.rows:
        drawn.add_row(*(Text("\n").join(plain(line) for line in lines(cell)) for cell in row))
    return drawn
