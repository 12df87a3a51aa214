"""How numbers are written in every report."""

from __future__ import annotations

import math


def significant(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits, scientific outside [1e-4, 1e6); a dash for None."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def ratio(value: float | None) -> str:
    """A ratio between 0 and 1 to three decimals, a noisy one with its sign; a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def p_value(value: float) -> str:
    """A probability to three decimals; one that these would round to nothing says so."""
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def percent(share: float | None) -> str:
    """A share in percent, to two significant digits; a dash for None."""
    return "–" if share is None else f"{significant(100 * share, 2)} %"


def half_width(interval: tuple[float, float] | None) -> str:
    """± half of an interval, to three decimals as ratios have; empty for None."""
    if interval is None:
        return ""
    half = (interval[1] - interval[0]) / 2
    return f"±{half:.3f}" if half >= 0.0005 or half == 0 else f"±{significant(half, 1)}"


def relative_half_width(value: float | None, interval: tuple[float, float] | None) -> str:
    """± half of an interval in percent of the value; empty for None."""
    if interval is None or not value:
        return ""
    return f"±{significant(50 * (interval[1] - interval[0]) / abs(value), 2)} %"


def count(value: int | None) -> str:
    """A whole number with thousands separators; a dash for None."""
    return "–" if value is None else f"{value:,}"


def rounded_count(value: int) -> str:
    """A count as people say it: 976k, 1.24B."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= size * 0.9995:
            return f"{significant(value / size)}{letter}"
    return str(value)


def byte_size(count: int) -> str:
    """Bytes as people say them: 2.47 GB, 512 kB; a dash for none."""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size * 0.9995:
            return f"{significant(count / size)} {unit}"
    return f"{count} B" if count else "–"


def of_total(part: int, total: int) -> str:
    """A share in percent."""
    return f"{100 * part / total:.1f} %" if total else "–"


def interval_ends(low: float | None, high: float | None) -> str:
    """[low, high] with four decimals; an open end says so."""
    return f"[{'open' if low is None else f'{low:.4f}'}, {'open' if high is None else f'{high:.4f}'}]"
