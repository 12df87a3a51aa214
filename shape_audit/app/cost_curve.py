"""What shapes cost along a yardstick's curve, as SVG: the asked models on it, and the models of their size.

Drawn here rather than by plotly, of which a page would have to fetch megabytes of script first and which cannot follow
the page's theme: all colours are the style sheet's. What the picture shows stands in tables too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shape_audit.escaping import html
from shape_audit.records import AuditRecord, ExistingModel
from shape_audit.reports import cost_percent, first_cost, significant
from shape_audit.shape import nearest_in_params
from shape_audit.yardsticks import Yardstick, cost_band, law_cost

NEIGHBOURS = 10
"""Models of about its size that are shown beside each."""
STEPS = 96
TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FEW_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
NARROW = 500
"""Width below which there is room for few."""
BAND = 0.005
"""Loss excess up to which shapes are shaded as the yardstick's own band."""
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 44, 46
"""Margins, in units of the drawing, which are pixels where it is not made smaller."""
RADIUS = 11


@dataclass(frozen=True)
class Point:
    """An asked model on the curve."""

    number: int
    record: AuditRecord
    excess: float
    ends: tuple[float, float] | None


def points(numbered: Sequence[tuple[int, AuditRecord]], yardstick: Yardstick) -> list[Point]:
    """The models whose cost at equal tokens is known on the yardstick's basis."""
    found = []
    for number, record in numbered:
        costs = [cost for cost in record.shape_cost or () if cost.basis == yardstick.basis]
        if (cost := first_cost(costs)) is not None:
            found.append(Point(number, record, cost.loss_excess, cost.loss_excess_ci))
    return found


def neighbours(record: AuditRecord) -> list[ExistingModel]:
    """Base models of the shipped table, the nearest in parameters, without the model itself."""
    nearest = nearest_in_params(record.shape, record.placement.interval, NEIGHBOURS + 1)
    return [known for known in nearest if known.repo_id != record.model.repo_id][:NEIGHBOURS]


def curve_svg(shown: Sequence[Point], yardstick: Yardstick, *, width: int, height: int) -> str:
    """The drawing, of a size that suits a screen of about that width."""
    return _Drawing(shown, yardstick, width, height).svg()


class _Drawing:
    def __init__(self, shown: Sequence[Point], yardstick: Yardstick, width: int, height: int) -> None:
        self._shown, self._yardstick, self._width, self._height = shown, yardstick, width, height
        self._near = {one.repo_id: one for point in shown for one in neighbours(point.record)}
        ratios = [point.record.shape.r_dw for point in shown] + [one.r_dw for one in self._near.values()]
        self._interval = shown[0].record.placement.interval
        band = cost_band(yardstick, BAND)
        assert band.low is not None and band.high is not None
        low, high = min(*ratios, band.low) / 1.4, max(*ratios, band.high) * 1.4
        self._low, self._high = math.log(low), math.log(high)
        self._band = (band.low, band.high)
        ends = [point.ends[1] if point.ends else point.excess for point in shown]
        self._most = 1.12 * max(*ends, *(law_cost(yardstick, ratio)[0] for ratio in (low, high)))

    def svg(self) -> str:
        parts = [*self._shades(), *self._axes(), *self._curve(), *self._neighbours(), *self._models()]
        said = "; ".join(f"{one.record.model.repo_id} {cost_percent(one.excess)}" for one in self._shown)
        label = f"Loss above the best shape's over R_D/W, by {self._yardstick.name}: {said}"
        return (
            f'<svg viewBox="0 0 {self._width} {self._height}" role="img" aria-label="{html(label)}">'
            + "".join(parts) + "</svg>"
        )  # fmt: skip

    def _x(self, r_dw: float) -> float:
        share = (math.log(r_dw) - self._low) / (self._high - self._low)
        return LEFT + share * (self._width - LEFT - RIGHT)

    def _y(self, excess: float) -> float:
        return self._height - BOTTOM - min(excess / self._most, 1.0) * (self._height - TOP - BOTTOM)

    def _shades(self) -> Iterator[str]:
        """The yardstick's band of cheap shapes, and above it the paper's interval."""
        left, right = (self._x(end) for end in self._band)
        width, height = right - left, self._y(0) - TOP
        yield f'<rect class="band" x="{left:.1f}" y="{TOP}" width="{width:.1f}" height="{height:.1f}"/>'
        yield _text(left + 6, TOP + 16, f"at most {100 * BAND:g} %", "small start")
        low, high = self._interval.low, self._interval.high
        if low is not None and high is not None:
            left, right = self._x(low), self._x(high)
            yield f'<line class="interval" x1="{left:.1f}" x2="{right:.1f}" y1="{TOP - 5}" y2="{TOP - 5}"/>'
            yield _text((left + right) / 2, TOP - 14, "the paper's interval", "interval-name middle")

    def _axes(self) -> Iterator[str]:
        bottom, right = self._y(0), self._width - RIGHT
        step = _round_step(100 * self._most / 4)
        for number in range(1 + int(100 * self._most / step)):
            at = self._y(number * step / 100)
            yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield _text(LEFT - 8, at + 4, f"{number * step:g} %", "small end")
        for tick in TICKS if self._width > NARROW else FEW_TICKS:
            if self._low <= math.log(tick) <= self._high:
                at = self._x(tick)
                yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom + 5:.1f}"/>'
                yield _text(at, bottom + 19, f"{tick:g}", "small middle")
        yield _text((LEFT + right) / 2, self._height - 7, "R_D/W = layers / hidden size", "small middle")

    def _curve(self) -> Iterator[str]:
        logs = [self._low + (self._high - self._low) * step / STEPS for step in range(STEPS + 1)]
        ratios = [math.exp(log) for log in logs]
        costs = [law_cost(self._yardstick, ratio) for ratio in ratios]
        lower = [(ratio, ends[0]) for ratio, (_, ends) in zip(ratios, costs, strict=True) if ends]
        upper = [(ratio, ends[1]) for ratio, (_, ends) in zip(ratios, costs, strict=True) if ends]
        if lower:
            yield f'<polygon class="error" points="{self._path([*lower, *reversed(upper)])}"/>'
        tested = self._yardstick.r_dw_range
        path = [(ratio, cost) for ratio, (cost, _) in zip(ratios, costs, strict=True)]
        yield f'<polyline class="law untested" points="{self._path(path)}"/>'
        inside = [(ratio, cost) for ratio, cost in path if tested[0] <= ratio <= tested[1]]
        yield f'<polyline class="law" points="{self._path(inside)}"/>'

    def _path(self, path: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self._x(ratio):.1f},{self._y(cost):.1f}" for ratio, cost in path)

    def _neighbours(self) -> Iterator[str]:
        for one in self._near.values():
            x, y = self._x(one.r_dw), self._y(law_cost(self._yardstick, one.r_dw)[0])
            side = "end" if x > self._width / 2 else "start"
            said = f"{one.repo_id}: {one.num_hidden_layers} × {one.hidden_size:,}, {significant(one.r_dw)}"
            yield (
                f'<g class="near"><circle class="reach" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>{_text(x, y - 12, said, f"tip {side}")}</g>'
            )

    def _models(self) -> Iterator[str]:
        """Numbered, the numbers apart where models lie on one another."""
        taken: list[tuple[float, float]] = []
        for point in sorted(self._shown, key=lambda point: point.record.shape.r_dw):
            x, on_curve = self._x(point.record.shape.r_dw), self._y(point.excess)
            y = on_curve
            while any(abs(x - other) < 2 * RADIUS and abs(y - above) < 2 * RADIUS for other, above in taken):
                y -= 2 * RADIUS + 2
            taken.append((x, y))
            ratio = significant(point.record.shape.r_dw)
            said = f"{point.record.model.repo_id}: R_D/W {ratio}, {cost_percent(point.excess)}"
            if point.ends is not None:
                yield _line(f"whisker m{point.number}", x, self._y(point.ends[0]), self._y(point.ends[1]))
            if y != on_curve:
                yield _line(f"whisker m{point.number}", x, on_curve, y)
            yield (
                f'<g class="asked m{point.number}"><title>{html(said)}</title>'
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>{_text(x, y + 4.5, str(point.number), "middle")}</g>'
            )


def _line(kind: str, x: float, above: float, below: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{above:.1f}" y2="{below:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html(text)}</text>'


def _round_step(about: float) -> float:
    """1, 2 or 5 times a power of ten, not above."""
    power = 10.0 ** math.floor(math.log10(about))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= about)
