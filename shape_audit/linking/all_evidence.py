"""The evidence of a set of scores: with the models at the chance floor, and without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shape_audit.interval import read_interval, shipped_interval
from shape_audit.linking.controlled import controlled_evidence
from shape_audit.linking.evidence import Progress, link_evidence
from shape_audit.linking.options import LinkOptions
from shape_audit.linking.points import ModelFacts, Point, facts_of_records, make_points, parse_params
from shape_audit.records import AuditRecord, Interval, LinkEvidence, ScoreRecord
from shape_audit.scores import published_scores


def link(
    scores: Sequence[ScoreRecord] | None = None,
    options: LinkOptions | None = None,
    *,
    records: Sequence[AuditRecord] = (),
    **changes: Any,
) -> list[LinkEvidence]:
    """What the shapes of models have to do with their MMLU-Pro scores.

        shape_audit.link()[0].verdict         # across published models of many families
        shape_audit.link()[0].controlled      # of models trained alike: loss, benchmarks

    Args:
        scores: None for those that ship.
        records: audits: their scores, their shapes where the shipped table has none, and what they measured.
        options: or single options by name, see `LinkOptions`. Its interval may be one, or a file that `shape-audit
            interval -f json` wrote.

    Returns:
        The evidence of all models, and, where some score at the chance floor, that without them.

    Raises:
        UsageError: too few models, or records that cannot be compared.
    """
    options = LinkOptions.given(options, changes, "link()")
    given = published_scores() if scores is None else scores
    points, left_out = chosen_points(given, options, facts_of_records(records))
    return link_points(points, options, left_out=left_out)


def chosen_points(
    scores: Sequence[ScoreRecord], options: LinkOptions, facts: Mapping[str, ModelFacts] | None = None
) -> tuple[list[Point], list[str]]:
    """See `make_points`."""
    return make_points(
        scores, against(options), protocol=options.protocol, params=parse_params(options.params),
        base_only=options.base_only, facts=facts,
    )  # fmt: skip


def against(options: LinkOptions) -> Interval:
    """The interval that is linked with."""
    given = options.interval
    return shipped_interval() if given is None else given if isinstance(given, Interval) else read_interval(given)


def link_points(
    points: Sequence[Point],
    options: LinkOptions,
    *,
    left_out: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> list[LinkEvidence]:
    """The same of points; see `link_evidence`. The first set brings what models trained alike say.

    Raises:
        UsageError: fewer than two models.
    """
    sets = [True]
    if any(point.is_at_floor for point in points) and sum(not point.is_at_floor for point in points) >= 2:
        sets.append(False)
    found = [
        link_evidence(
            points, protocol=options.protocol, interval=against(options), left_out=left_out, with_floor=with_floor,
            draws=options.draws, seed=options.seed, progress=progress,
        )
        for with_floor in sets
    ]  # fmt: skip
    return [found[0].model_copy(update={"controlled": controlled_evidence()}), *found[1:]]
