"""A yardstick: what a fixed-budget sweep of shapes says about the best of them, and how sure that is."""

from __future__ import annotations

from shape_audit.records.frozen import Frozen
from shape_audit.records.shape_cost import Basis, Price

Ends = tuple[float, float]


class ShapeLaw(Frozen):
    """ln(loss / best loss) = c (ln R_D/W - ln a*)^2 at equal parameters, by least squares on ln loss.

    Intervals are of 95 %, over shapes resampled; null where the resamples often have no best shape.
    """

    a_star: float
    """The best R_D/W."""
    a_star_ci: Ends | None
    c: float
    """Loss, as a fraction, for one unit of ln R_D/W squared."""
    c_ci: Ends | None
    drift: float | None
    """d ln a* / d ln N of a second fit in which the best shape may move with the parameters; a_star has none."""
    drift_ci: Ends | None
    residual_sd: float
    """Of ln loss: what the fit leaves, by degrees of freedom."""
    residual_sd_without_shape: float
    """The same of a fit that knows the sizes alone."""
    shapes: int
    draws: int


class Band(Frozen):
    """The shapes that cost no more than so much."""

    loss_excess: float
    low: float
    high: float


class LawVariant(Frozen):
    """The law on another choice of data."""

    name: str
    shapes: int
    a_star: float
    a_star_ci: Ends | None
    c: float
    residual_sd: float


class GroupShape(Frozen):
    """One shape of a budget."""

    num_hidden_layers: int
    hidden_size: int
    r_dw: float
    loss_excess: float
    """Over the best of its budget, at equal parameters of the yardstick's group, as a fraction."""
    seconds_per_mtoken: float | None
    """Accelerator-seconds for a million training tokens, where that was recorded."""


class ShapeGroup(Frozen):
    """The shapes of one budget, by R_D/W."""

    name: str
    shapes: list[GroupShape]
    best_r_dw: float
    is_edge: bool
    """Whether the best is the shallowest or deepest tested: a better one may lie beyond."""


class ComparedShape(Frozen):
    """One shape of a budget as it was trained, at one number of tokens."""

    budget: str
    num_hidden_layers: int
    hidden_size: int
    loss: float
    """Nats per token; at equal total parameters, moved to the mean size of its budget."""
    loss_excess: float
    """Over the best of its budget, as a fraction."""


class Comparison(Frozen):
    """The shapes of every budget against each other with no law between them, by what is held equal."""

    price: Price
    """Equal tokens are at equal total parameters; equal training time is as the shapes were trained."""
    tokens: float
    """That every shape has seen; at equal training time, that the fastest shape of each budget has seen."""
    shapes: list[ComparedShape]


class BestAt(Frozen):
    """The best shape for another question: at so many parameters or tokens."""

    at: float
    r_dw: float


class OtherLaw(Frozen):
    """What another published law gives."""

    name: str
    params: float
    """Non-embedding parameters."""
    best_r_dw: float
    source: str


class YardstickReport(Frozen):
    """Everything `shape-audit interval NAME` shows of a yardstick."""

    name: str
    description: str
    source: str
    basis: Basis
    params_range: Ends
    r_dw_range: Ends
    tokens_range: Ends | None
    law: ShapeLaw
    bands: list[Band]
    groups: list[ShapeGroup]
    comparisons: list[Comparison]
    sensitivity: list[LawVariant]
    best_at_total_params: list[BestAt]
    """At equal total parameters, with the yardstick's own vocabulary."""
    best_at_tokens: list[BestAt]
    """At equal training time, one billion non-embedding parameters and so many tokens."""
    time_elasticity: float | None
    """d ln(training time) / d ln R_D/W at equal non-embedding parameters."""
    time_elasticity_total: float | None
    """The same at equal total parameters."""
    other_laws: list[OtherLaw]
    doubts: list[str]
