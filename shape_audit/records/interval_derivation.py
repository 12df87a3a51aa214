"""What the derivation of an interval from a sweep table found, budget by budget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shape_audit.records.frozen import Frozen
from shape_audit.records.interaction_loss import InteractionAndLoss
from shape_audit.records.yardstick_report import YardstickReport

Edge = Literal["low", "high"]
Ends = tuple[float, float]
"""Of a 95 % interval."""


class BudgetRange(Frozen):
    """The shapes of one parameter budget whose loss is within the tolerance of the budget's best."""

    target_params: int
    shapes: int
    """Shapes scanned at this budget."""
    runs: int
    """Models trained: more than `shapes` where there are several seeds."""
    within: int
    """Shapes within the tolerance."""
    best_r_dw: float
    best_loss: float
    """Nats per byte in the shipped table; with several seeds the mean of the best shape."""
    low: float
    high: float
    """Lowest and highest R_D/W among the shapes within the tolerance."""
    open_edges: list[Edge]
    """Ends that are the scan's outermost shape: the range may go on beyond them."""


class ToleranceRow(Frozen):
    """The interval at one tolerance. `is_empty` where the budgets' ranges do not meet."""

    tolerance: float
    low: float | None
    high: float | None
    is_empty: bool


class BestShape(Frozen):
    """How sure a budget's best scanned shape is of being the best."""

    target_params: int
    share: float
    """Of the resamples: those in which it stays the best."""
    r_dw_ci: Ends
    """Middle 95 % of the best shape's R_D/W."""


class SeedBootstrap(Frozen):
    """The derivation repeated on resampled seeds: for each shape its runs are drawn anew, with replacement.

    Shapes trained once stand still, so what is said here is too sure where `resampled` is below `shapes`.
    """

    draws: int
    shapes: int
    """Over all budgets."""
    resampled: int
    """Of them, those with several runs."""
    low_ci: Ends | None
    high_ci: Ends | None
    """Null where an end is open in more than a tenth of the resamples."""
    empty_share: float
    """Of the resamples: those in which the budgets' ranges do not meet."""
    best: list[BestShape]


class FittedBest(Frozen):
    """The best shape of a budget by the fit."""

    target_params: int
    r_dw: float
    """a*(N)."""
    r_dw_ci: Ends | None
    """Null where resamples often have no minimum."""
    loss: float
    is_scanned: bool
    """Whether shapes on both sides of it were trained at this budget; else it is an extrapolation."""


class LossFit(Frozen):
    """The fit L(N, a) = L_inf + A N^-b + c (ln a - ln a*(N))^2, a = R_D/W, ln a* linear in ln N, by least squares.

    The levels of the budgets are first left free, so that where the best shape lies does not hang on the power law;
    this then goes through the losses at the fitted best shapes. Intervals are of 95 %, over shapes drawn anew within
    each budget: they hold what the parabola misses as well as the noise of single runs.
    """

    shapes: int
    draws: int
    curvature: float
    """c, in the loss's unit."""
    curvature_ci: Ends | None
    drift: float | None
    """d ln a* / d ln N: 0 where the best shape does not move with the budget. Null for one budget."""
    drift_ci: Ends | None
    best: list[FittedBest]
    rms: float
    """Root mean square of what the fit with free levels leaves, in the loss's unit."""
    irreducible_loss: float | None
    """L_inf; with the next two null for fewer than four budgets."""
    irreducible_loss_ci: Ends | None
    coefficient: float | None
    """A."""
    exponent: float | None
    """b."""
    exponent_ci: Ends | None


class LengthRange(Frozen):
    """The shapes of one budget after one length of training."""

    tokens_per_param: float
    range: BudgetRange
    seeds: BestShape | None
    """Null where no shape was trained twice."""
    fitted: FittedBest | None
    """By a parabola over this length alone; null where it has no lowest point in reach of the scan."""


class LengthDrift(Frozen):
    """How the fitted best shape of a budget goes with the length: ln a* = a constant + drift x ln(tokens a parameter).

    By least squares through the fitted best shapes. Intervals are of 95 %, over shapes drawn anew, each with all of its
    lengths, for these share their trunk.
    """

    target_params: int
    lengths: list[float]
    """Those with a fitted best shape inside of the scan: two or more."""
    drift: float
    """d ln a* / d ln(tokens a parameter): above 0 where longer training asks for deeper shapes."""
    drift_ci: Ends | None
    """Null where too many resamples have no best shape at one of the lengths."""


class BestAgainstLength(Frozen):
    """The best shape of each budget against the length of training."""

    ranges: list[LengthRange]
    """By budget and length."""
    drifts: list[LengthDrift]
    """Of the budgets with a fitted best shape, inside of the scan, at two lengths or more."""
    notes: list[str]


class IntervalDerivation(Frozen):
    """An interval of R_D/W and everything it follows from.

    Where `is_empty`, `low` > `high`: they are the ends that do not meet. An end that no budget bounds is null and
    stands in `open_edges`.
    """

    name: str
    source: str
    tolerance: float
    min_params: float
    low: float | None
    high: float | None
    is_empty: bool
    open_edges: list[Edge]
    budgets: list[BudgetRange]
    sensitivity: list[ToleranceRow]
    bootstrap: SeedBootstrap | None = None
    """Null where no shape was trained twice."""
    fit: LossFit | None = None
    """Null where the table is too small for it, or bends downwards."""
    interaction: InteractionAndLoss | None = None
    """Interaction held against loss; null where the table has measured none, and where no resamples were asked for."""
    lengths: BestAgainstLength | None = None
    """Null where the table has one length, and where no resamples were asked for; where it has several, all else here
    is of each budget's longest."""
    yardstick: YardstickReport | None = None
    """What shapes cost by a law fitted to the same table; null where nobody asked, or no law fits."""
    notes: list[str] = Field(default=[])
