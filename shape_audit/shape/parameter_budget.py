"""A number of parameters, as people write it: 300k, 1.2B, 1e9, 1_200_000_000."""

from __future__ import annotations

import re
from fractions import Fraction

from shape_audit.errors import UsageError

_NUMBER = re.compile(
    r"(?P<digits>\d+(?:_\d+)*(?:\.\d+)?)(?:(?P<letter>[kmbt])|(?P<exponent>e\+?\d{1,2}))?", re.A | re.I
)
_LETTERS = {"k": 3, "m": 6, "b": 9, "t": 12}
LONGEST = 40
"""Characters. More digits than this are implausible."""


def parse_budget(params: str | int | float) -> int:
    """The number of parameters that a text, or a number, names.

    Args:
        params: 300k, 1m, 1.2B, 1T (thousand, million, 10^9, 10^12, in either case), 1e9, 1_200_000_000.

    Raises:
        UsageError: no such number, or less than 1.
    """
    try:
        text = str(params)
    except ValueError:  # a whole number of thousands of digits
        text = "of so many digits"
    match = _NUMBER.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        raise UsageError(f"--params {text[:LONGEST]}: it must be a number of parameters, as 300k, 1.2B or 1e9")
    power = _LETTERS.get((match["letter"] or "").lower(), 0) + int((match["exponent"] or "e0")[1:])
    found: int = round(Fraction(match["digits"].replace("_", "")) * 10**power)
    if found < 1:
        raise UsageError(f"--params {text}: it must be at least 1")
    return found
