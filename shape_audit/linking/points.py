"""The models that evidence is made from: what is known of their shape beside a score of one protocol."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from shape_audit.errors import UsageError
from shape_audit.records import (
    SAME_SCORE,
    AuditRecord,
    Interval,
    ModelRef,
    ScoreRecord,
    SiteInteraction,
    names_apart,
)
from shape_audit.scores import FLOOR, KnownModels, across_models, at_revision
from shape_audit.shape import known_models, place

DEFAULT_PARAMS = (1e8, 1.5e10)
MEASURED = ("aofe_ratio", "aofe_normalized", "effective_rank", "share_of_width", "channel_alignment")
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


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model, wherever from.

    Attributes:
        depth, width: layers and hidden size.
        unfit: why it is no evidence, whatever is asked for; see `why_unfit`.
        measured: predictors by name, of comparable measurements.
        ref: which model it is; None for a Hub name at no known revision.
        scores: those that are known to be its own, whatever they call it.
    """

    family: str
    depth: int
    width: int
    params: float | None
    train_tokens: float | None = None
    is_base: bool = True
    unfit: str | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    ref: ModelRef | None = None
    scores: tuple[ScoreRecord, ...] = ()


def why_unfit(*, is_dense: bool = True, domain: str | None = None, derived_from: str | None = None) -> str | None:
    """The kind of models that are no evidence, where it is one; a domain that is not known is taken for general."""
    if not is_dense:
        return "models that are not dense"
    if domain not in (None, "general"):
        return "models of another domain than general text"
    return "models made from another one" if derived_from else None


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
    params: tuple[float, float] | None = DEFAULT_PARAMS,
    base_only: bool = True,
    facts: Mapping[str, ModelFacts] | None = None,
) -> tuple[list[Point], list[str]]:
    """Models of the shipped table (and of records) with one score of this protocol each, and what was left out: how
    many, by reason. Of several scores of one model that disagree, all are left out. Other protocols are not counted.

    Args:
        params: of the models; None for all.
        protocol: with `+chat_template` for runs with the model's own template, whichever that is.
        base_only: without models that were tuned on instructions; where they are in, a shape's base and tuned models
            count as one.
        facts: of models, each with its own scores; the shipped table tells of the others. See `facts_of_records`.
    """
    given, shipped = facts or {}, _shipped_facts()
    by_model: dict[str, list[ScoreRecord]] = {}
    left_out: list[str] = []
    limited = apart = 0
    for name, whole in _named(scores, given):
        if protocol not in (whole.protocol, across_models(whole.protocol)):
            continue
        limited += whole.is_limited
        apart += not whole.is_limited and not whole.is_comparable
        if whole.is_comparable:
            by_model.setdefault(name, []).append(whole)
    if limited:
        left_out.append(f"limited runs: {limited}")
    if apart:
        left_out.append(f"scores set apart, of another revision or another model: {apart}")
    if unscored := sum(model not in by_model for model in given):
        left_out.append(f"models without a score of this protocol: {unscored}")
    points, twice = [], []
    unfit: Counter[str] = Counter()
    for model, found in sorted(by_model.items()):
        known = given.get(model) or shipped.get(model)
        if known is None or known.params is None:
            unfit["models whose shape is neither in the shipped table nor in a record"] += 1
        elif why := known.unfit:
            unfit[why] += 1
        elif base_only and not known.is_base:
            unfit["instruction-tuned models"] += 1
        elif params and not params[0] <= known.params <= params[1]:
            unfit[f"models of fewer than {params[0] / 1e9:g}B or more than {params[1] / 1e9:g}B parameters"] += 1
        elif max(score.value for score in found) - min(score.value for score in found) > SAME_SCORE:
            twice.append(model)
        else:
            points.append(_point(model, known, found[0].value, interval))
    chosen = points if base_only else _one_a_shape_and_family(points)
    unfit["models of one family, shape and size with another"] = len(points) - len(chosen)
    left_out += [f"{why}: {count}" for why, count in unfit.items() if count]
    left_out += [f"{model}: its scores of this protocol disagree" for model in twice]
    return chosen, left_out


def _named(scores: Iterable[ScoreRecord], given: Mapping[str, ModelFacts]) -> Iterator[tuple[str, ScoreRecord]]:
    """Each score under the name of its model: a model's own under its name, the others by what they say."""
    names: dict[ModelRef, str] = {}
    for name, facts in given.items():  # first, since they know their revision
        ref = facts.ref or ModelRef("hub", name)
        names.setdefault(ref, name)
        for score in facts.scores:
            yield name, at_revision(score, ref.revision)
    names |= {ref: name for name in _shipped_facts() if (ref := ModelRef("hub", name)) not in names}
    models = KnownModels(names)
    for score in scores:
        claimed = models.claim(score)
        yield (names[claimed[0]], claimed[1]) if claimed else (score.model, score)


@cache
def _shipped_facts() -> Mapping[str, ModelFacts]:
    return {
        name: ModelFacts(
            family=known.family,
            depth=known.num_hidden_layers,
            width=known.hidden_size,
            params=known.params,
            train_tokens=known.train_tokens,
            is_base=known.is_base,
            unfit=why_unfit(domain=known.domain, derived_from=known.derived_from),
        )
        for name, known in known_models().items()
    }


def facts_of_records(records: Sequence[AuditRecord]) -> dict[str, ModelFacts]:
    """Model -> facts, from audits; the shipped table's, with what was measured, of models that are in it. The others
    are taken for general base models, those of one owner for a family. Of several records of a model a measured one
    counts, of these the latest. Folders of one name whose files differ are several models.

    Raises:
        UsageError: measured records of different text or seq_len, whose numbers cannot be compared.
    """
    _check_comparable(records)
    names = names_apart([record.model for record in records])
    by_name: dict[str, list[AuditRecord]] = {}
    for record, name in zip(records, names, strict=True):
        by_name.setdefault(record.model.label if record.model.source == "hub" else name, []).append(record)
    return {name: _facts_of_records(found) for name, found in by_name.items()}


def family_of(model: str) -> str:
    """Of a model that no table knows: its owner on the Hub, else that it is nobody's."""
    owner, slash, _ = model.partition("/")
    return owner if slash else "without an owner"


def _facts_of_records(records: Sequence[AuditRecord]) -> ModelFacts:
    """Of one model."""
    record = sorted(records, key=lambda record: (record.interaction is not None, record.environment.date))[-1]
    known = _shipped_facts().get(record.model.label) if record.model.source == "hub" else None
    facts = known or ModelFacts(
        family=family_of(record.model.repo_id),
        depth=record.shape.num_hidden_layers,
        width=record.shape.hidden_size,
        params=float(record.shape.params_total),
        unfit=why_unfit(is_dense=record.shape.is_dense),
    )
    return replace(
        facts,
        measured=measured_of(record.interaction.sites if record.interaction else []),
        ref=record.model.ref,
        scores=tuple(score for one in records for score in one.scores or ()),
    )


def measured_of(sites: Sequence[SiteInteraction]) -> dict[str, float]:
    """What is linked of a profile: at the embedding, where it was measured."""
    site = next((site for site in sites if site.name == "embedding"), None)
    values = {name: getattr(site, name) for name in MEASURED} if site else {}
    return {name: value for name, value in values.items() if value is not None}


def _point(model: str, facts: ModelFacts, score: float, interval: Interval) -> Point:
    r_dw = facts.depth / facts.width
    placement = place(r_dw, interval)
    assert placement.log_distance is not None  # only models that are not dense have none
    predictors = {"r_dw": r_dw, "log_distance": placement.log_distance, **facts.measured}
    assert facts.params is not None
    return Point(
        model=model,
        family=facts.family,
        shape=f"{facts.depth}/{facts.width}",
        score=score,
        r_dw=r_dw,
        log_params=math.log10(facts.params),
        log_tokens=math.log10(facts.train_tokens) if facts.train_tokens else None,
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
