"""The paper's main claim, in numbers: does loss go with interaction, at equal budget and along the best shapes?

At each budget Pearson's and Spearman's correlation of a measured quantity with the loss over shapes (seeds averaged),
how often shuffled losses give as much, and what is left given ln R_D/W, since a shape moves both. Along the budgets'
best shapes, and over open models, a power law. Source of the claim: Law of Neural Interaction, arXiv 2605.27989.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shape_audit.errors import UsageError
from shape_audit.interval.random_basis import records_against_random_basis, tiny_gpts_against_random_basis
from shape_audit.interval.sweep_table import SHIPPED_TABLE, number_in, read_rows
from shape_audit.records import (
    AuditRecord,
    BudgetCorrelation,
    InteractionAndLoss,
    IntervalDerivation,
    LossCorrelation,
    OpenModelsAndLoss,
    PowerFit,
    QuantityAndLoss,
)

Floats = NDArray[np.float64]
COLUMNS = (
    "aofe", "aofe_ratio", "loss_gradient_embedding_aofe", "loss_gradient_embedding_aofe_ratio",
    "loss_gradient_embedding_aofe_ratio_excess", "projected_output_aofe", "projected_output_aofe_ratio",
    "wtw_aofe_ratio",
)  # fmt: skip
"""What is held against the loss, where a table has it."""
OF_RECORDS = ("aofe", "aofe_ratio", "aofe_ratio_excess", "share_of_width", "channel_alignment")
FEWEST = 4
"""Shapes or models below which nothing is correlated."""
FEWEST_OF_A_LAW = 3
SURE = 0.05
OF_OPEN_MODELS = (
    "open models differ in data, size and recipe, which move loss and interaction alike: that they go together is no "
    "effect of the one on the other"
)


def interaction_and_loss(
    table: str | Path | None = None, *, min_params: float = 0.0, draws: int = 2000, seed: int = 0
) -> InteractionAndLoss | None:
    """Hold what a sweep's table has measured of interaction against its losses; None where it has measured nothing.

    Args:
        table: see `derive_interval`; None for the shipped one.
        min_params: budgets below it are left out. All count unless it says so: small ones are evidence here too.
        draws: permutations.
    """
    budgets = _budgets(Path(table) if table is not None else SHIPPED_TABLE, min_params)
    generator = np.random.default_rng(seed)
    found = [_quantity(column, budgets, draws, generator) for column in COLUMNS]
    quantities = [one for one in found if one.budgets]
    if not quantities:
        return None
    return InteractionAndLoss(
        quantities=quantities,
        open_models=[],
        against_random_basis=[tiny_gpts_against_random_basis()] if table is None else [],
        worth=_worth(quantities),
    )


def with_open_models(
    derivation: IntervalDerivation, records: Sequence[AuditRecord], *, draws: int = 2000, seed: int = 0
) -> IntervalDerivation:
    """The derivation, with the same of open models beside it.

    Args:
        records: audits on one text; their loss is held against the interaction at their embedding.
        draws: permutations.

    Raises:
        UsageError: fewer than four of them are measured, or on different texts, window lengths or protocols.
    """
    found = _open_models(records, draws, np.random.default_rng(seed))
    before = derivation.interaction or InteractionAndLoss(quantities=[], open_models=[], worth=[])
    against = records_against_random_basis(records)
    found_too = {
        "open_models": found,
        "against_random_basis": [*before.against_random_basis, *([against] if against else [])],
        "worth": [*before.worth, OF_OPEN_MODELS],
    }
    return derivation.model_copy(update={"interaction": before.model_copy(update=found_too)})


def _quantity(
    column: str, budgets: dict[int, list[_Shape]], draws: int, generator: np.random.Generator
) -> QuantityAndLoss:
    found = []
    for size, shapes in budgets.items():
        some = [shape for shape in shapes if column in shape.measured]
        if len(some) >= FEWEST and (one := _correlation(*_columns(some, column), draws, generator)) is not None:
            runs = sum(shape.runs for shape in some)
            found.append(BudgetCorrelation(**one.model_dump(), target_params=size, runs=runs))
    return QuantityAndLoss(quantity=column, budgets=found, frontier=_frontier(budgets, column))


class _Shape:
    """One shape of a budget: means over its runs."""

    def __init__(self, rows: Sequence[dict[str, str]]) -> None:
        first = rows[0]
        self.runs = len(rows)
        self.log_r = math.log(float(first["num_hidden_layers"]) / float(first["hidden_size"]))
        self.loss = float(np.mean([float(row["test_ce"]) for row in rows]))
        values = {column: [number_in(row, column) for row in rows] for column in COLUMNS}
        self.measured = {
            column: float(np.mean([value for value in found if value is not None]))
            for column, found in values.items()
            if None not in found
        }


def _budgets(path: Path, min_params: float) -> dict[int, list[_Shape]]:
    runs: dict[int, dict[tuple[str, str], list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in read_rows(path):
        size = int(float(row["target_params"]))
        if size >= min_params:
            runs[size][row["num_hidden_layers"], row["hidden_size"]].append(row)
    return {size: [_Shape(rows) for rows in of_shape.values()] for size, of_shape in sorted(runs.items())}


def _columns(shapes: Sequence[_Shape], column: str) -> tuple[Floats, Floats, Floats]:
    return (
        np.array([shape.measured[column] for shape in shapes]),
        np.array([shape.loss for shape in shapes]),
        np.array([shape.log_r for shape in shapes]),
    )


def _correlation(
    value_N: Floats, loss_N: Floats, log_r_N: Floats, draws: int, generator: np.random.Generator
) -> LossCorrelation | None:
    """None where the quantity or the loss is the same everywhere."""
    if np.ptp(value_N) == 0 or np.ptp(loss_N) == 0:
        return None
    seen = _pearson(value_N, loss_N)
    shuffled_DN = generator.permuted(np.tile(loss_N, (draws, 1)), axis=1)
    unit_N = (value_N - value_N.mean()) / np.linalg.norm(value_N - value_N.mean())
    centred_DN = shuffled_DN - loss_N.mean()
    found_D = centred_DN @ unit_N / np.linalg.norm(loss_N - loss_N.mean())
    beyond = int((np.abs(found_D) >= abs(seen) - 1e-12).sum())
    left = [_residuals(column, log_r_N) for column in (value_N, loss_N)]
    is_left = all(
        np.linalg.norm(part) > 1e-9 * np.linalg.norm(whole - whole.mean())
        for part, whole in zip(left, (value_N, loss_N), strict=True)
    )
    return LossCorrelation(
        n=len(value_N),
        pearson=seen,
        spearman=_pearson(_mid_ranks(value_N), _mid_ranks(loss_N)),
        p_permutation=(beyond + 1) / (draws + 1),
        given_r_dw=_pearson(*left) if is_left else None,
    )


def _pearson(x_N: Floats, y_N: Floats) -> float:
    return float(np.corrcoef(x_N, y_N)[0, 1])


def _mid_ranks(values_N: Floats) -> Floats:
    """Ranks, ties sharing the middle of theirs."""
    below = (values_N[:, None] > values_N).sum(axis=1)
    equal = (values_N[:, None] == values_N).sum(axis=1)
    ranks: Floats = below + (equal + 1) / 2
    return ranks


def _residuals(values_N: Floats, given_N: Floats) -> Floats:
    """Of a straight line."""
    design_N2 = np.column_stack([np.ones_like(given_N), given_N])
    left: Floats = values_N - design_N2 @ np.linalg.lstsq(design_N2, values_N, rcond=None)[0]
    return left


def _frontier(budgets: dict[int, list[_Shape]], column: str) -> PowerFit | None:
    best = [min(shapes, key=lambda shape: shape.loss) for shapes in budgets.values()]
    known = [shape for shape in best if column in shape.measured]
    return _power_law(*_columns(known, column)[:2])


def _power_law(value_N: Floats, loss_N: Floats) -> PowerFit | None:
    if len(value_N) < FEWEST_OF_A_LAW or value_N.min() <= 0 or np.ptp(value_N) == 0 or np.ptp(loss_N) == 0:
        return None
    exponent, log_coefficient = np.polyfit(np.log(value_N), np.log(loss_N), 1)
    left_N = loss_N - np.exp(log_coefficient) * value_N**exponent
    return PowerFit(
        n=len(value_N),
        coefficient=float(np.exp(log_coefficient)),
        exponent=float(exponent),
        r_squared=float(1 - np.square(left_N).sum() / np.square(loss_N - loss_N.mean()).sum()),
    )


def _open_models(records: Sequence[AuditRecord], draws: int, generator: np.random.Generator) -> list[OpenModelsAndLoss]:
    """Each number of the embedding against the loss, over the measured records."""
    measured = [
        (one.shape.r_dw, one.interaction, one.calibration, one.loss)
        for one in records
        if one.interaction is not None and one.calibration is not None and one.loss is not None
    ]
    if len(measured) < FEWEST:
        raise UsageError(f"--records: {len(measured)} measured records; loss and interaction need at least {FEWEST}")
    texts = {(text.text_sha256, text.seq_len, profile.protocol) for _, profile, text, _ in measured}
    if len(texts) > 1:
        raise UsageError(
            f"the records were measured on {len(texts)} different texts, window lengths or protocols, and cannot be "
            "compared; choose those of one with --records"
        )
    tokenizers = {text.tokenizer_sha256 for _, _, text, _ in measured}
    of_loss = "nats_per_token" if len(tokenizers) == 1 else "bits_per_byte"
    found = []
    for quantity in OF_RECORDS:
        points = [
            (value, loss, math.log(r_dw))
            for r_dw, profile, _, losses in measured
            if (value := getattr(profile.sites[0], quantity)) is not None
            and (loss := getattr(losses, of_loss)) is not None
        ]
        if len(points) < FEWEST:
            continue
        value_N, loss_N, log_r_N = np.array(points).T
        if (correlation := _correlation(value_N, loss_N, log_r_N, draws, generator)) is not None:
            fit = _power_law(value_N, loss_N)
            found.append(OpenModelsAndLoss(quantity=quantity, loss=of_loss, correlation=correlation, fit=fit))
    return found


def _worth(quantities: Sequence[QuantityAndLoss]) -> list[str]:
    """What correlations over so few shapes can say."""
    cells = [budget for one in quantities for budget in one.budgets]
    fewest, most = min(cell.n for cell in cells), max(cell.n for cell in cells)
    shapes = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    is_single = all(cell.runs == cell.n for cell in cells)
    once = ", each trained once: what another seed would give is not known" if is_single else ""
    sure = sum(cell.p_permutation < SURE for cell in cells)
    signs = ", ".join(
        f"{one.quantity} at {sum(budget.pearson < 0 for budget in one.budgets)} of {len(one.budgets)}"
        for one in quantities
    )
    is_mixed = any(0 < sum(budget.pearson < 0 for budget in one.budgets) < len(one.budgets) for one in quantities)
    return [
        f"{shapes} shapes a budget{once}",
        f"of {len(cells)} correlations {sure} are stronger than nineteen in twenty shuffles give, where "
        f"{SURE * len(cells):.0f} would be by chance; budgets share shapes, so that they are no independent tests",
        f"more interaction goes with lower loss for {signs} budgets"
        + (": the sign is not the same everywhere" if is_mixed else ""),
    ]
