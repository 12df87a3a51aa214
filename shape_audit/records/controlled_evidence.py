"""What a suite of models trained alike, in all but shape, says of a claim about shapes."""

from __future__ import annotations

from typing import Literal

from shape_audit.records.frozen import Frozen

Ends = tuple[float, float]


class SuiteShape(Frozen):
    """One model of a suite."""

    num_hidden_layers: int
    hidden_size: int
    r_dw: float
    loss: float
    """Nats per token of held-out text."""
    accuracy: float
    """Points above guessing, mean over the benchmarks, moved to the size of its budget."""


class SuiteBudget(Frozen):
    """The models of one size, by R_D/W."""

    name: str
    params: float
    """The size that accuracies are moved to, in total parameters."""
    shapes: list[SuiteShape]


class Effect(Frozen):
    """What one unit of ln R_D/W goes with, all else in the regression being equal."""

    given: list[str]
    """What is held equal: params, loss."""
    n: int
    points: float
    stderr: float
    """Robust to unequal noise (HC3)."""
    ci: Ends
    """95 %."""


class BestAtEqualSize(Frozen):
    """The parabola of ln loss over ln R_D/W at equal non-embedding parameters and tokens."""

    r_dw: float
    r_dw_ci: Ends | None
    """95 %, models resampled; null where too many resamples have no lowest point."""
    curvature: float
    """Of ln loss, per squared unit of ln R_D/W."""
    curvature_ci: Ends
    scanned: Ends


class ControlledEvidence(Frozen):
    """A claim, what a suite shows of it, and its grade."""

    claim: Literal["loss", "benchmarks"]
    suite: str
    source: str
    n_models: int
    tokens: float
    """That every model had seen at the last checkpoint."""
    best: BestAtEqualSize | None = None
    """Of the loss."""
    budgets: list[SuiteBudget]
    """Of the benchmarks; empty for the loss."""
    effects: list[Effect]
    verdict: str
    """supported, not supported, or not enough data."""
    summary: str
