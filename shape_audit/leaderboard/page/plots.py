"""Layouts of the page's plots, for plotly.js: axes, the shaded interval, the line of guessing, what a plot shows.

Colours are names (`ink`, `grid` ...) that the script replaces by those of the page's light or dark scheme. Placements
differ by the marker's form as well, so that grey prints can be read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from shape_audit.leaderboard.build.comparable import ComparableSet, embedding_site
from shape_audit.leaderboard.build.few_windows import has_intervals
from shape_audit.records import Board, BoardRow
from shape_audit.scores import FLOOR
from shape_audit.yardsticks import DEFAULT_YARDSTICK, law_cost, shipped_yardstick

TICKS = (0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.04, 0.065, 0.1, 0.2, 0.5, 1)
"""Of R_D/W; the decades alone are too few for real models."""
CURVE = 60
"""Steps of a curve over R_D/W."""
WIDE = 10.0
"""Times the least value that the largest must be for a logarithmic axis."""

Json = dict[str, Any]


def plots(board: Board, comparable: ComparableSet) -> Json:
    """`phase`, `shape` and `cost`: each a layout, and which rows it shows, what it leaves out, or a curve."""
    return {
        "phase": {
            "layout": _phase_layout(board.rows, comparable),
            "note": _phase_note(board.rows, comparable),
            "rows": _phase_rows(board.rows, comparable),
        },
        "shape": {"layout": _shape_layout(board)},
        "cost": {"layout": _cost_layout(board), "curve": _cost_curve(board)},
    }


def _cost_curve(board: Board) -> Json:
    """The yardstick's law over the models' range of R_D/W, in per cent, with its interval."""
    ratios = [row.r_dw for row in board.rows if row.r_dw and row.shape_cost is not None]
    if not ratios:
        return {}
    yardstick = shipped_yardstick(DEFAULT_YARDSTICK)
    low, high = math.log(min(ratios) / 1.3), math.log(max(*ratios, yardstick.law.a_star) * 1.3)
    across = [math.exp(low + (high - low) * step / CURVE) for step in range(CURVE + 1)]
    costs = [law_cost(yardstick, r_dw) for r_dw in across]
    return {
        "by": yardstick.description,
        "x": across,
        "y": [100 * cost for cost, _ in costs],
        "low": [100 * (ends or (cost, cost))[0] for cost, ends in costs],
        "high": [100 * (ends or (cost, cost))[1] for cost, ends in costs],
    }


def _cost_layout(board: Board) -> Json:
    return {
        "xaxis": _r_dw_axis([row.r_dw for row in board.rows if row.r_dw]),
        "yaxis": {"title": {"text": "loss above the best shape's, %"}, "rangemode": "tozero"},
    }


def _r_dw_axis(ratios: Sequence[float]) -> Json:
    ticks = [tick for tick in TICKS if not ratios or min(ratios) / 1.6 <= tick <= max(ratios) * 1.6]
    title = {"text": "R_D/W = layers / hidden size"}
    return {"title": title, "type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _phase_rows(rows: Sequence[BoardRow], comparable: ComparableSet) -> list[int]:
    """Rows of the set that have both coordinates."""
    return [number for number in sorted(comparable.rows) if None not in _coordinates(rows[number])]


def _phase_note(rows: Sequence[BoardRow], comparable: ComparableSet) -> str:
    """What the plot shows, and what it leaves out and why."""
    if comparable.setting is None:
        return "No model of this board was measured at the embedding."
    shown = len(_phase_rows(rows, comparable))
    unplaced = len(comparable.rows) - shown
    left_out = [*comparable.left_out, *([f"{unplaced} without a value"] if unplaced else [])]
    others = f" Left out: {'; '.join(left_out)}." if left_out else ""
    bars = "; bars are 95 % intervals" if has_intervals([rows[number] for number in comparable.rows]) else ""
    return f"{shown} models measured by {comparable.measured_as}{bars}.{others}"


def _coordinates(row: BoardRow) -> tuple[float | None, float | None]:
    site = embedding_site(row.measured) if row.measured else None
    return (site.aofe_normalized, site.aofe_ratio) if site else (None, None)


def _phase_layout(rows: Sequence[BoardRow], comparable: ComparableSet) -> Json:
    across = [_coordinates(rows[number])[0] for number in _phase_rows(rows, comparable)]
    known = [value for value in across if value is not None]
    is_wide = bool(known) and min(known) > 0 and max(known) > WIDE * min(known)
    return {
        "xaxis": {"title": {"text": "AOFE / tr(G)² at the embedding"}, "type": "log" if is_wide else "linear"},
        "yaxis": {"title": {"text": "AOFE-ratio at the embedding"}},
    }


def _shape_layout(board: Board) -> Json:
    ratios = [row.r_dw for row in board.rows if row.r_dw]
    low, high = _ends(board, ratios)
    band = {"type": "rect", "xref": "x", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1}
    floor = {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": 100 * FLOOR, "y1": 100 * FLOOR}
    return {
        "annotations": [
            {"text": "interval", "x": math.log10(math.sqrt(low * high)), "xref": "x", "y": 1, "yref": "paper",
             "yanchor": "bottom", "showarrow": False},
            {"text": "at or below: guessing", "x": 0, "xref": "paper", "xanchor": "left", "y": 100 * FLOOR, "yref": "y",
             "yanchor": "top", "showarrow": False},
        ],
        "shapes": [
            band | {"fillcolor": "band", "line": {"width": 0}, "layer": "below"},
            floor | {"line": {"color": "muted", "width": 1, "dash": "dot"}},
        ],
        "xaxis": _r_dw_axis(ratios),
        "yaxis": {"title": {"text": "MMLU-Pro accuracy, %"}},
    }  # fmt: skip


def _ends(board: Board, ratios: Sequence[float]) -> tuple[float, float]:
    """Of the shaded band: an open end runs past all models."""
    low, high = board.interval.low, board.interval.high
    least, most = min(ratios, default=0.01), max(ratios, default=0.1)
    low = low if low is not None else min(least, high or least) / 2
    high = high if high is not None else max(most, low) * 2
    return low, high
