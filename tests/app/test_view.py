"""The picture and the words of an answer: the same numbers as in the records."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from shape_audit import audit
from shape_audit.app.answer import Answer
from shape_audit.app.cost_curve import curve_svg, neighbours, points
from shape_audit.app.question import asked
from shape_audit.app.view import answers_html
from shape_audit.records import AuditRecord
from shape_audit.yardsticks import law_cost, shipped_yardstick

NAMES = ["builtin:bytes-1m", "builtin:zoo-300k-16x40", "builtin:zoo-300k-1x144", "builtin:zoo-300k-4x80"]


@pytest.fixture(scope="module")
def records() -> list[AuditRecord]:
    return [audit(name, shape_only=True) for name in NAMES]


def test_models_and_their_neighbours_lie_on_the_yardsticks_curve(records: list[AuditRecord]) -> None:
    yardstick = shipped_yardstick("gemstones")
    shown = points(list(enumerate(records, 1)), yardstick)
    drawing = ElementTree.fromstring(curve_svg(shown, yardstick, width=1100, height=380))
    ticks = {float(one.text or 0): float(one.get("x", 0)) for one in drawing.iter("text") if one.get("y") == "353.0"}
    left, right = min(ticks), max(ticks)

    def r_dw(x: float) -> float:
        share = (x - ticks[left]) / (ticks[right] - ticks[left])
        return math.exp(math.log(left) + share * math.log(right / left))

    costs = [(float((one.text or "").split()[0]), float(one.get("y", 0)) - 4)
             for one in drawing.iter("text") if re.fullmatch(r"[\d.]+ %", one.text or "")]  # fmt: skip
    (low, bottom), (high, top) = costs[0], costs[-1]

    def excess(y: float) -> float:
        return (low + (bottom - y) / (bottom - top) * (high - low)) / 100

    def centres(kind: str) -> list[tuple[float, float]]:
        groups = [one for one in drawing.iter("g") if kind in (one.get("class") or "").split()]
        circles = [group.findall("circle")[-1] for group in groups]
        return [(r_dw(float(one.get("cx", 0))), excess(float(one.get("cy", 0)))) for one in circles]

    near = {one.repo_id: one.r_dw for record in records for one in neighbours(record)}
    asked_for = sorted(record.shape.r_dw for record in records)
    assert [ratio for ratio, _ in centres("asked")] == pytest.approx(asked_for, rel=5e-3)  # a tenth of a pixel
    assert sorted(ratio for ratio, _ in centres("near")) == pytest.approx(sorted(near.values()), rel=5e-3)
    for ratio, cost in [*centres("near"), *centres("asked")]:
        assert cost == pytest.approx(law_cost(yardstick, ratio)[0], abs=2e-4)


def test_numbers_of_models_on_one_place_do_not_cover_each_other(records: list[AuditRecord]) -> None:
    yardstick = shipped_yardstick("gemstones")
    shown = points([(1, records[0]), (2, records[0]), (3, records[0])], yardstick)
    drawing = ElementTree.fromstring(curve_svg(shown, yardstick, width=370, height=330))
    groups = [one for one in drawing.iter("g") if "asked" in (one.get("class") or "")]
    heights = sorted(float(group.findall("circle")[0].get("cy", 0)) for group in groups)
    assert len(heights) == 3 and min(b - a for a, b in pairwise(heights)) >= 22


def test_one_model_stands_by_itself_and_several_side_by_side(records: list[AuditRecord]) -> None:
    one = answers_html(asked(NAMES[0]), (Answer(NAMES[0], records[0]),))
    assert "Side by side" not in one and '<details class="model m1" open>' in one
    question = asked(" ".join(NAMES))
    four = answers_html(question, tuple(Answer(name, record) for name, record in zip(NAMES, records, strict=True)))
    assert "Side by side" in four and four.count('<article class="card') == 4
    for record in records:
        assert f"{record.shape.r_dw:.4f}" in four and f"{record.shape.params_total:,}" in four
    assert "?model=builtin:bytes-1m&amp;model=builtin:zoo-300k-16x40" in four


def test_what_is_not_known_yet_is_said() -> None:
    shown = answers_html(asked("org/a org/b"), (Answer("org/a"), Answer("org/b", problem="org/b: <gone>")))
    assert "Reading org/a …" in shown and "org/b: &lt;gone&gt;" in shown
