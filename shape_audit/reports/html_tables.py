"""A `Table` as HTML, with everything escaped that came from outside."""

from __future__ import annotations

from shape_audit.escaping import html
from shape_audit.reports.tables import Cell, Table, lines


def html_table(table: Table) -> str:
    """A captioned table; the first cell of each row is its header, and what follows has the class `num` in a numeric
    table."""
    mark = ' class="num"' if table.numeric else ""
    head = "".join(
        f'<th scope="col"{mark if number else ""}>{html(column)}</th>' if column else "<td></td>"
        for number, column in enumerate(table.columns)
    )
    rows = "".join(f"<tr>{_header(row[0])}{''.join(_cell(cell, mark) for cell in row[1:])}</tr>" for row in table.rows)
    heads = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    return f"<table><caption>{html(table.title)}</caption>{heads}<tbody>{rows}</tbody></table>"


def _header(cell: Cell) -> str:
    return f'<th scope="row">{_text(cell)}</th>'


def _cell(cell: Cell, mark: str) -> str:
    return f"<td{mark}>{_text(cell)}</td>"


def _text(cell: Cell) -> str:
    return "<br>".join(map(html, lines(cell)))
