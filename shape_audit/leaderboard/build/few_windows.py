"""Whether the measurements of a board have intervals, which need some windows: below, a value stands alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shape_audit.interaction import MIN_WINDOWS
from shape_audit.records import BoardRow


def window_words(windows: Iterable[int]) -> str:
    """How many windows, of one measurement or of several."""
    fewest, most = min(windows := list(windows)), max(windows)
    return f"{fewest} window{'s' if fewest > 1 else ''}" if fewest == most else f"{fewest} to {most} windows"


def without_intervals(rows: Sequence[BoardRow]) -> str:
    """Which models have no intervals and why, in a sentence without its full stop; empty where all have them."""
    windows = [row.measured.windows for row in rows if row.measured]
    few = [count for count in windows if count < MIN_WINDOWS]
    if not few:
        return ""
    models = f"{len(few)} model{'s were' if len(few) > 1 else ' was'}"
    if len(few) < len(windows):
        models = f"{len(few)} of {len(windows)} measured models were"
    return f"{models} measured on {window_words(few)}: no intervals, which need {MIN_WINDOWS}"


def has_intervals(rows: Sequence[BoardRow]) -> bool:
    """Whether any measurement has enough windows."""
    return any(row.measured is not None and row.measured.windows >= MIN_WINDOWS for row in rows)
