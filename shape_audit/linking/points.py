"""The models that evidence is made from: what is known of their shape beside a score of one protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shape_audit.errors import UsageError
from shape_audit.records import AuditRecord, Interval, ScoreRecord
from shape_audit.scores import FLOOR
from shape_audit.shape import KnownModel, known_models, place

DEFAULT_PARAMS = (1e8, 1.5e10)
MEASURED = ("aofe_ratio", "aofe_normalized", "effective_rank")
"""Numbers of a record that are linked too, at the embedding."""


@dataclass(frozen=True)
class Point:
    """One model with its score.

    Attributes:
        family: models that share training data and recipe.
        shape: models of one depth and width, which is the same for many.
        log_params, log_tokens: decimal logarithms of parameters and training tokens; tokens where they are known.
        predictors: name -> value, of what is held against the score.
    """

    model: str
    family: str
    shape: str
    score: float
    r_dw: float
    log_params: float
    log_tokens: float | None
    is_inside: bool
    predictors: Mapping[str, float]

    @property
    def is_at_floor(self) -> bool:
        """Whether its score cannot be told from guessing."""
        return self.score <= FLOOR


def parse_params(text: str) -> tuple[float, float]:
    """`1e8:1.5e10`.

    Raises:
        UsageError: no two numbers, the second larger.
    """
    low, colon, high = text.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = (math.nan, math.nan)
    if not colon or not 0 < ends[0] < ends[1] < math.inf:
        raise UsageError(f"--params {text}: it must be LOW:HIGH, as 1e8:1.5e10")
    return ends


def make_points(
    scores: Iterable[ScoreRecord],
    interval: Interval,
    *,
    protocol: str,
    params: tuple[float, float] = DEFAULT_PARAMS,
    base_only: bool = True,
    records: Sequence[AuditRecord] = (),
) -> tuple[list[Point], list[str]]:
    """Models of the shipped table (and of records) with one score of this protocol each, and what was left out.

    Left out are limited runs, other protocols, models made from another one, of another domain than general text, and
    of several scores of one model that disagree, all.

    Args:
        base_only: without models that were tuned on instructions; where they are in, a shape's base and tuned models
            count as one.
        records: of audits; a measured one adds what it measured.

    Raises:
        UsageError: measured records of different text or seq_len, whose numbers cannot be compared.
    """
    _check_comparable(records)
    measured = {record.model.repo_id: record for record in records}
    by_model: dict[str, list[ScoreRecord]] = {}
    left_out: list[str] = []
    limited = 0
    for score in scores:
        if score.protocol == protocol:
            limited += score.is_limited
            if not score.is_limited:
                by_model.setdefault(score.model, []).append(score)
    if limited:
        left_out.append(f"{limited} limited runs")
    points, unknown, twice = [], 0, []
    for model, found in sorted(by_model.items()):
        known = known_models().get(model)
        if known is None or known.params is None:
            unknown += 1
        elif not (params[0] <= known.params <= params[1]) or not _counts(known, base_only):
            continue
        elif max(score.value for score in found) - min(score.value for score in found) > 1e-6:
            twice.append(model)
        else:
            points.append(_point(known, found[0].value, interval, measured.get(model)))
    if unknown:
        left_out.append(f"{unknown} models whose shape is not in the shipped table")
    left_out += [f"{model}: its scores of this protocol disagree" for model in twice]
    if not base_only:
        points = _one_a_shape_and_family(points)
    return points, left_out


def _counts(known: KnownModel, base_only: bool) -> bool:
    return known.domain == "general" and not known.derived_from and (known.is_base or not base_only)


def _point(known: KnownModel, score: float, interval: Interval, record: AuditRecord | None) -> Point:
    placement = place(known.r_dw, interval)
    predictors = {"r_dw": known.r_dw, "log_distance": placement.log_distance}
    if record is not None and record.interaction is not None:
        site = next((site for site in record.interaction.sites if site.name == "embedding"), None)
        values = {name: getattr(site, name) for name in MEASURED} if site else {}
        predictors |= {name: value for name, value in values.items() if value is not None}
    assert known.params is not None
    return Point(
        model=known.repo_id,
        family=known.family,
        shape=f"{round(known.r_dw * known.hidden_size)}/{known.hidden_size}",
        score=score,
        r_dw=known.r_dw,
        log_params=math.log10(known.params),
        log_tokens=math.log10(known.train_tokens) if known.train_tokens else None,
        is_inside=placement.side == "inside",
        predictors=predictors,
    )


def _one_a_shape_and_family(points: Sequence[Point]) -> list[Point]:
    """Base and tuned models of one shape are near-duplicates: the first in order of names stands for them."""
    first: dict[tuple[str, str, float], Point] = {}
    for point in points:
        first.setdefault((point.family, point.shape, point.log_params), point)
    return list(first.values())


def _check_comparable(records: Sequence[AuditRecord]) -> None:
    """Raises UsageError where two measured records were made on other text or windows of other length."""
    texts = {
        (record.calibration.text_sha256, record.calibration.seq_len, record.interaction.protocol)
        for record in records
        if record.calibration is not None and record.interaction is not None
    }
    if len(texts) > 1:
        raise UsageError(
            f"the records were measured on {len(texts)} different texts, window lengths or protocols, and cannot be "
            "compared; choose those of one with --records"
        )
