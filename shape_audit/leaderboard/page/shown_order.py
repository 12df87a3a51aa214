"""The order in which people see the rows of a board: the manifest's, or by cost where no model has a score to sort by.

board.json keeps the manifest's order in any case, so that a board of an earlier version still verifies.
"""

from __future__ import annotations

import math

from shape_audit.records import Board, BoardRow


def shown_order(board: Board) -> str:
    """A column, with a minus the largest first."""
    is_scored = any(has_scores(board, protocol) for protocol in board.protocols[:1])
    return board.order if is_scored or board.order.removeprefix("-") != "score" else "shape_cost"


def has_scores(board: Board, protocol: str) -> bool:
    """Whether any model has a full score under a protocol."""
    return any(score.protocol == protocol and not score.is_limited for row in board.rows for score in row.scores)


def shown_rows(board: Board) -> list[BoardRow]:
    """The rows in that order."""
    if shown_order(board) == board.order:
        return board.rows
    return sorted(board.rows, key=lambda row: math.inf if row.shape_cost is None else row.shape_cost)
