"""The time of an audit, phase by phase: nothing is left out and nothing is counted twice."""

import time
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.auditing import Phases
from shape_audit.records import WallSeconds


def total(wall: WallSeconds | None) -> float:
    assert wall is not None
    return sum(wall.model_dump().values())


def test_phases_have_no_gaps() -> None:
    earlier = time.perf_counter()
    phases = Phases(before=2.0)
    started = time.perf_counter()
    for phase in ("read", "pass", "reduce", "pass", "reduce"):
        phases.begin(phase)  # type: ignore[arg-type]
        sum(range(10_000))
    ended = time.perf_counter()
    wall = phases.wall_seconds()
    assert ended - started <= total(wall) - 2.0 <= time.perf_counter() - earlier
    assert wall.start >= 2.0 and wall.pass_ > 0 and wall.reduce > 0 and wall.load == 0  # type: ignore[operator]


@pytest.mark.parametrize("how_many", [{"windows": 3}, {"tolerance": 1e-9, "max_windows": 33}])
def test_the_phases_of_an_audit_are_all_of_its_time(tiny_llama: Path, how_many: dict[str, Any]) -> None:
    """Whether the pass ends at once or looks at a tolerance in between."""
    told: list[str] = []
    started = time.perf_counter()
    record = shape_audit.audit(str(tiny_llama), seq_len=8, progress=Phases(_Told(told)), **how_many)
    took = time.perf_counter() - started
    wall = record.environment.wall_seconds
    assert 0 < total(wall) <= took
    assert wall is not None
    seconds = wall.model_dump()
    assert seconds.pop("weights") == 0.0  # not asked for
    assert min(seconds.values()) > 0
    assert told[-1] == "measuring gradients"


class _Told:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def step(self, text: str) -> None:
        self._told.append(text)

    def windows(self, done: int, total: int, tokens: int) -> None: ...
