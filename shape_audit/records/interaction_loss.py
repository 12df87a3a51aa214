"""Interaction held against loss: budget by budget of a sweep, along its best shapes, and over open models."""

from __future__ import annotations

from pydantic import Field

from shape_audit.records.frozen import Frozen


class LossCorrelation(Frozen):
    """Of one quantity and the loss, over shapes."""

    n: int
    pearson: float
    spearman: float
    p_permutation: float
    """Two-sided, of Pearson's: the share of shuffles that give as much or more."""
    given_r_dw: float | None
    """Pearson's partial correlation given ln R_D/W; null where nothing is left to correlate."""


class BudgetCorrelation(LossCorrelation):
    """The same at one budget."""

    target_params: int
    runs: int
    """Models trained: as many as `n` where every shape was trained once."""


class PowerFit(Frozen):
    """loss = coefficient x quantity ^ exponent, by least squares of the logarithms."""

    n: int
    coefficient: float
    exponent: float
    r_squared: float
    """Of the loss itself."""


class QuantityAndLoss(Frozen):
    """One quantity against the loss."""

    quantity: str
    """The table's column, or the record's key at the embedding."""
    budgets: list[BudgetCorrelation]
    frontier: PowerFit | None
    """Through the best shape of every budget; null for fewer than three, or values that are not above zero."""


class OpenModelsAndLoss(Frozen):
    """The same over models that were audited on one text."""

    quantity: str
    loss: str
    """bits_per_byte, or nats_per_token where all have one tokenizer."""
    correlation: LossCorrelation
    fit: PowerFit | None


class AgainstRandomBasis(Frozen):
    """The AOFE-ratio of several models against its average over all bases, R0."""

    models: str
    """Whose they are, in words."""
    n: int
    pearson: float
    """Of ratio and R0: near 1, the ratio restates effective rank over width."""
    alignment: tuple[float, float]
    """Least and greatest channel alignment, 1 - ratio / R0."""


class InteractionAndLoss(Frozen):
    """All of it for one table."""

    quantities: list[QuantityAndLoss]
    open_models: list[OpenModelsAndLoss]
    """Empty where no records were given."""
    against_random_basis: list[AgainstRandomBasis] = Field(default=[])
    """Beside the shipped table, of the paper's tiny GPTs; with records, of these."""
    worth: list[str]
    """What it can and cannot say, a sentence each."""
