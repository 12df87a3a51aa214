"""What a posted value means: an accuracy as a share of 1, whatever its unit.

Nothing is told from a value's size but what size alone can tell: above 1 it is no share, and below half of what
guessing gives it is a share of something else.
"""

from __future__ import annotations

import math
import re
from typing import Any

from shape_audit.scores.protocols import CHANCE, LEADERBOARD_LOWEST, QUESTIONS, raw_accuracy
from shape_audit.scores.readings import finite

PLACEHOLDER = re.compile(
    r"|[xX?*_.-]+%?|[xX]+[.,][xX]+%?|n/?a|nan|none|null|tbd|todo|pending|coming soon|<.*>|\{.*\}|\[.*\]",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(%|percent|pct)?(?:\s*(?:±|\+/-|\+-)\s*\d+(?:[.,]\d+)?\s*%?)?", re.IGNORECASE
)


FEWEST_IN_A_RUN = 50
"""Questions that a run is taken to have at least, where it is not said."""


class Unplaced(ValueError):
    """A value that no accuracy can be told from; the message shows it as it was written."""


def accuracy_of(value: Any, *, is_leaderboards: bool) -> float:
    """The accuracy that a posted value stands for, a share of 1.

    Args:
        is_leaderboards: the Open LLM Leaderboard posted it: its points are 100 (raw - .1) / .9.

    Raises:
        Unplaced: it stands for none that can be told.
    """
    shown = f"its value is {value!r:.40}"
    number, is_percent = _number(value, shown)
    if is_leaderboards:
        raw = raw_accuracy(number) if number <= 100 else None
        if raw is None:
            why = "cut off there, at or below an accuracy of 10 %" if number == 0 else "which no run gives"
            raise Unplaced(f"{shown} in the leaderboard's normalised points, {why}")
        return raw
    if number == 0:
        raise Unplaced(f"{shown}, a placeholder: guessing gives {100 * CHANCE:.0f} %")
    share = number / 100 if is_percent or number > 1 else number
    if share >= 1:
        raise Unplaced(f"{shown}, which no run gives")
    if share < CHANCE / 2 and not is_percent:
        raise Unplaced(f"{shown}, and whether that is a share, percent or normalised points is not said")
    return share


def error_of(stderr: Any, value: Any, accuracy: float, n: int | None, *, is_leaderboards: bool) -> float | None:
    """A posted standard error as a share of 1: in the value's unit or in another, whichever an accuracy of so many
    questions can have; None where none can. From the least that 12,032 questions give to the most that 50 do is less
    than the factor of 100 between the units (for accuracies of 5 to 95 %).

    Args:
        accuracy: what the value stands for, see `accuracy_of`.
    """
    number = finite(stderr)
    if number is None:
        return None
    unit = (1 - LEADERBOARD_LOWEST) / 100 if is_leaderboards else accuracy / _number(value, "")[0]
    least = 0.5 * math.sqrt(accuracy * (1 - accuracy) / QUESTIONS)
    most = 0.55 / math.sqrt(n or FEWEST_IN_A_RUN)
    return next((number * each for each in (unit, 1.0, 0.01) if least <= number * each <= most), None)


def _number(value: Any, shown: str) -> tuple[float, bool]:
    """(number, whether it says that it is percent)."""
    if isinstance(value, str):
        if PLACEHOLDER.fullmatch(value.strip()):
            raise Unplaced(f"{shown}, a placeholder")
        match = _NUMBER.fullmatch(value.strip())
        if match is None:
            raise Unplaced(f"{shown}, no number")
        return float(match[1].replace(",", ".")), match[2] is not None
    if value is None:
        raise Unplaced("its value is left out, a placeholder")
    number = finite(value)
    if number is None:
        raise Unplaced(f"{shown}, no number")
    if number < 0:
        raise Unplaced(f"{shown}, which no run gives")
    return number, False
