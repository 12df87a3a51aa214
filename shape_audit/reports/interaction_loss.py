"""Interaction against loss, for the reports of an interval: tables by quantity, laws, and what they are worth."""

from __future__ import annotations

from shape_audit.records import AgainstRandomBasis, InteractionAndLoss, LossCorrelation, PowerFit, QuantityAndLoss
from shape_audit.reports.numbers import p_value, rounded_count, significant
from shape_audit.reports.tables import Table

_NAMES = {
    "aofe": "AOFE", "aofe_ratio": "AOFE-ratio", "wtw_aofe_ratio": "AOFE-ratio of the embedding's WᵀW",
    "loss_gradient_embedding_aofe": "AOFE, loss gradient", "projected_output_aofe": "AOFE, projected output",
    "loss_gradient_embedding_aofe_ratio": "AOFE-ratio, loss gradient",
    "loss_gradient_embedding_aofe_ratio_excess": "AOFE-ratio above a random basis's, loss gradient",
    "projected_output_aofe_ratio": "AOFE-ratio, projected output",
    "aofe_ratio_excess": "AOFE-ratio above a random basis's",
    "share_of_width": "effective rank / width", "channel_alignment": "channel alignment",
}  # fmt: skip
_COLUMNS = ("shapes", "Pearson", "Spearman", "p", "given ln R_D/W")


def interaction_loss_tables(found: InteractionAndLoss) -> list[Table]:
    """One of each quantity, a row a budget; one of the open models, a row a quantity."""
    tables = [_by_budget(one) for one in found.quantities]
    if found.open_models:
        rows = tuple((name_of(one.quantity), *_cells(one.correlation)) for one in found.open_models)
        loss = found.open_models[0].loss.replace("_", " ")
        tables.append(
            Table(f"Open models: correlation with {loss}", ("at the embedding", "models", *_COLUMNS[1:]), rows)
        )
    return tables


def interaction_loss_lines(found: InteractionAndLoss) -> list[str]:
    """The laws along the best shapes and over open models, then what all of it is worth, a sentence each."""
    laws = [
        f"Best shapes of {one.frontier.n} budgets: loss = {_law(one.frontier, name_of(one.quantity))}"
        for one in found.quantities
        if one.frontier
    ]
    laws += [
        f"{one.fit.n} open models: {one.loss.replace('_', ' ')} = {_law(one.fit, name_of(one.quantity))}"
        for one in found.open_models
        if one.fit
    ]
    against = map(_against_random_basis, found.against_random_basis)
    return [*laws, *against, *(f"{line[0].upper()}{line[1:]}." for line in found.worth)]


def _against_random_basis(one: AgainstRandomBasis) -> str:
    low, high = one.alignment
    return (
        f"Over {one.n} {one.models}, the AOFE-ratio and its value R0 in a random basis correlate at {one.pearson:.3f}: "
        "the nearer to 1, the less the ratio says beyond the share of the width that gradients use. What is left over, "
        f"channel alignment, is {low:.3f} to {high:.3f} (0: channels as any basis, 1: every channel alone)."
    )


def name_of(quantity: str) -> str:
    """A quantity in words."""
    return _NAMES.get(quantity, quantity)


def _by_budget(one: QuantityAndLoss) -> Table:
    rows = tuple((rounded_count(budget.target_params), *_cells(budget)) for budget in one.budgets)
    return Table(f"{name_of(one.quantity)}: correlation with the loss", ("budget", *_COLUMNS), rows)


def _cells(found: LossCorrelation) -> tuple[str, ...]:
    given = "–" if found.given_r_dw is None else f"{found.given_r_dw:+.2f}"
    return str(found.n), f"{found.pearson:+.2f}", f"{found.spearman:+.2f}", p_value(found.p_permutation), given


def _law(fit: PowerFit, name: str) -> str:
    return f"{significant(fit.coefficient, 4)} × ({name})^{fit.exponent:.3f}, R² {fit.r_squared:.3f}."
