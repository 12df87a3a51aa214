"""What models and their scores say for and against a link, number by number."""

from __future__ import annotations

from pydantic import Field

from shape_audit.records.controlled_evidence import ControlledEvidence
from shape_audit.records.frozen import Frozen
from shape_audit.records.shape_facts import Interval

Ends = tuple[float, float]


class Association(Frozen):
    """Rank correlation of one quantity with the score."""

    given: list[str]
    """What is held constant: params, tokens; empty for nothing."""
    n: int
    rho: float | None
    """Spearman's, partial where something is given; None where a column is constant."""
    ci_models: Ends | None
    """95 %, models resampled."""
    ci_families: Ends | None
    """95 %, whole families resampled."""
    ci_shapes: Ends | None
    """95 %, all models of one depth and width resampled together."""
    without_a_family: Ends | None
    """Lowest and highest when each family is left out in turn."""
    p_permutation: float
    """Shuffled within strata of size."""


class Predictor(Frozen):
    """One quantity against the score."""

    name: str
    """r_dw, log_distance, aofe_ratio ..."""
    associations: list[Association]


class Contrast(Frozen):
    """Mean score given size, inside the interval minus outside."""

    n_inside: int
    n_outside: int
    mean_inside: float
    mean_outside: float
    """Raw accuracies."""
    difference: float | None
    """Of residuals from a straight line in log10 parameters."""
    ci_families: Ends | None


class Optimum(Frozen):
    """Whether scores given size peak somewhere in log R_D/W."""

    best: float
    """R_D/W of the peak that fits best; one at the end of what was scanned means that scores rise up to there."""
    compatible: Ends
    """Lowest and highest R_D/W of peaks that fit as well by a likelihood ratio at 95 %, within what was scanned."""
    gaps: list[Ends] = Field(default_factory=list)
    """Lowest and highest R_D/W, each, of peaks between those that do not fit as well."""
    scanned: Ends
    is_located: bool
    """Whether that leaves out at least half of what was scanned, and both ends of it."""


class LinkEvidence(Frozen):
    """All of it for one set of models."""

    protocol: str
    interval: Interval
    n_models: int
    n_families: int
    n_shapes: int
    n_at_floor: int
    """Models whose score cannot be told from guessing."""
    with_floor: bool
    """Whether those are in."""
    draws: int
    seed: int
    predictors: list[Predictor]
    contrast: Contrast | None
    optimum: Optimum | None
    verdict: str
    """supported, not supported, or not enough data."""
    summary: str
    """In plain words, made from the numbers by stated thresholds."""
    left_out: list[str]
    controlled: list[ControlledEvidence] = Field(default_factory=list)
    """What models trained alike say of claims of their own, pooled with nothing here; with the first set of models
    only, which no choice of models changes."""
