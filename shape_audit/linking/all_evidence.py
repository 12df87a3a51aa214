"""The evidence of a set of scores: with the models at the chance floor, and without them."""

from __future__ import annotations

from collections.abc import Sequence

from shape_audit.errors import UsageError
from shape_audit.interval import shipped_interval
from shape_audit.linking.controlled import controlled_evidence
from shape_audit.linking.evidence import Progress, link_evidence
from shape_audit.linking.points import Point, facts_of_records, make_points, parse_params
from shape_audit.records import AuditRecord, Interval, LinkEvidence, ScoreRecord
from shape_audit.scores import LM_EVAL_LETTERS, published_scores


def link(
    scores: Sequence[ScoreRecord] | None = None,
    *,
    records: Sequence[AuditRecord] = (),
    protocol: str = LM_EVAL_LETTERS,
    params: str = "1e8:1.5e10",
    base_only: bool = True,
    interval: Interval | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> list[LinkEvidence]:
    """What the shapes of models have to do with their MMLU-Pro scores.

        shape_audit.link()[0].verdict         # across published models of many families
        shape_audit.link()[0].controlled      # of models trained alike: loss, benchmarks

    Args:
        scores: None for those that ship.
        records: audits: their scores, their shapes where the shipped table has none, and what they measured.
        params: LOW:HIGH, of the models.
        base_only: without models tuned on instructions.
        interval: None for the shipped one.

    Returns:
        The evidence of all models, and, where some score at the chance floor, that without them.

    Raises:
        UsageError: too few models, or records that cannot be compared.
    """
    against = interval or shipped_interval()
    own = [score for record in records for score in record.scores or ()]
    points, left_out = make_points(
        [*(published_scores() if scores is None else scores), *own], against, protocol=protocol,
        params=parse_params(params), base_only=base_only, facts=facts_of_records(records),
    )  # fmt: skip
    return link_points(points, protocol=protocol, interval=against, left_out=left_out, draws=draws, seed=seed)


def link_points(
    points: Sequence[Point],
    *,
    protocol: str,
    interval: Interval,
    left_out: Sequence[str] = (),
    draws: int = 10_000,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> list[LinkEvidence]:
    """The same of points; see `link_evidence`. The first set brings what models trained alike say.

    Raises:
        UsageError: fewer than two models, or no sensible number of draws.
    """
    if not 100 <= draws <= 1_000_000:
        raise UsageError(f"--draws must be between 100 and 1,000,000, not {draws}")
    sets = [True]
    if any(point.is_at_floor for point in points) and sum(not point.is_at_floor for point in points) >= 2:
        sets.append(False)
    found = [
        link_evidence(
            points, protocol=protocol, interval=interval, left_out=left_out, with_floor=with_floor, draws=draws,
            seed=seed, progress=progress,
        )
        for with_floor in sets
    ]  # fmt: skip
    return [found[0].model_copy(update={"controlled": controlled_evidence()}), *found[1:]]
