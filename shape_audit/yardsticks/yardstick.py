"""A yardstick: a fixed-budget sweep of shapes, reduced to what a shape's cost follows from.

To use one needs no numpy. The shipped ones are fitted already: `data/yardsticks/laws.json` has the fields below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from shape_audit.errors import UsageError
from shape_audit.records import Basis, ShapeLaw
from shape_audit.shipped import facts

DEFAULT_YARDSTICK = "gemstones"


@dataclass(frozen=True)
class SizeEffect:
    """How the loss falls with size, data and training time, where a sweep tells.

    Attributes:
        slope, bend: ln loss = slope n + bend n^2 + ..., n = ln(non-embedding parameters / 1e9).
        floor, of_params, of_tokens: L = floor + A (N / 1e9)^-alpha + B (D / 1e11)^-beta at the best shape, each of the
            latter as (factor, exponent): how much further training is worth.
        tokens_range: of the checkpoints these are from.
    """

    slope: float
    bend: float
    floor: float
    of_params: tuple[float, float]
    of_tokens: tuple[float, float]
    tokens_range: tuple[float, float]

    def level(self, params: float) -> float:
        """ln loss against that of 1e9 non-embedding parameters."""
        n = math.log(params / 1e9)
        return self.slope * n + self.bend * n * n

    def params_slope(self, params: float) -> float:
        """d ln loss / d ln N."""
        return self.slope + 2 * self.bend * math.log(params / 1e9)

    def tokens_slope(self, params: float, tokens: float) -> float:
        """-d ln loss / d ln D."""
        factor, exponent = self.of_params
        of_params = factor * (params / 1e9) ** -exponent
        factor, exponent = self.of_tokens
        of_tokens = factor * (tokens / 1e11) ** -exponent
        slope: float = exponent * of_tokens / (self.floor + of_params + of_tokens)
        return slope


@dataclass(frozen=True)
class TestedGroup:
    """The shapes of one budget: about how many parameters they have, and from where to where R_D/W goes."""

    params: float
    r_dw: tuple[float, float]


@dataclass(frozen=True)
class Draw:
    """One resample of the shapes.

    Attributes:
        elasticity, elasticity_total: d ln(training time) / d ln R_D/W at equal non-embedding, and total, parameters; 0
            where the sweep has no times.
    """

    log_best: float
    c: float
    elasticity: float = 0.0
    elasticity_total: float = 0.0


@dataclass(frozen=True)
class Yardstick:
    """What a shape's cost is worked out from.

    Attributes:
        description: what it rests on, as a report puts it behind "by".
        basis: the parameters that its law holds equal.
        law_fields: those of `law`, of which a record is made when it is asked for.
        fitted: the law itself, with the elasticities of training time.
        draws: its resamples.
        groups: by parameters.
        size: None where the sweep does not tell.
        doubts: what to keep in mind about it, a sentence each.
    """

    name: str
    description: str
    source: str
    basis: Basis
    law_fields: Mapping[str, Any]
    fitted: Draw
    draws: tuple[Draw, ...]
    groups: tuple[TestedGroup, ...]
    tokens_range: tuple[float, float] | None
    size: SizeEffect | None
    has_times: bool
    doubts: tuple[str, ...]

    @cached_property
    def law(self) -> ShapeLaw:
        """The law as reports show it."""
        return ShapeLaw(**self.law_fields)

    @property
    def params_range(self) -> tuple[float, float]:
        return self.groups[0].params, self.groups[-1].params

    @property
    def r_dw_range(self) -> tuple[float, float]:
        return min(group.r_dw[0] for group in self.groups), max(group.r_dw[1] for group in self.groups)


def shipped_yardsticks() -> tuple[str, ...]:
    """Names of the yardsticks that come with the package."""
    return tuple(_laws())


def shipped_yardstick(name: str) -> Yardstick:
    """One of the yardsticks that come with the package.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in _laws():
        raise UsageError(
            f"--yardstick {name}: no such yardstick; there are {', '.join(_laws())}, or name a sweep's table"
        )
    return _shipped(name)


def _laws() -> dict[str, Any]:
    return facts("yardsticks/laws")


@cache
def _shipped(name: str) -> Yardstick:
    return _from_json(name, _laws()[name])


def _from_json(name: str, entry: dict[str, Any]) -> Yardstick:
    law = entry["law"]
    return Yardstick(
        name=name,
        description=entry["description"],
        source=entry["source"],
        basis=entry["basis"],
        law_fields=law,
        fitted=Draw(math.log(law["a_star"]), law["c"], *entry["elasticities"]),
        draws=tuple(Draw(*numbers) for numbers in entry["draws"]),
        groups=tuple(TestedGroup(group["params"], _pair(group["r_dw"])) for group in entry["groups"]),
        tokens_range=_pair(entry["tokens_range"]) if entry["tokens_range"] else None,
        size=_size_effect(entry["size"]) if entry["size"] else None,
        has_times=any(entry["elasticities"]),
        doubts=tuple(entry["doubts"]),
    )


def _size_effect(entry: dict[str, Any]) -> SizeEffect:
    pairs = {key: _pair(entry[key]) for key in ("of_params", "of_tokens", "tokens_range")}
    return SizeEffect(entry["slope"], entry["bend"], entry["floor"], **pairs)


def _pair(values: Sequence[float]) -> tuple[float, float]:
    low, high = values
    return low, high
