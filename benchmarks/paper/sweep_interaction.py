"""Interaction and loss over the shapes of each budget: the authors' next-token sweep, and our own of 300k."""

from __future__ import annotations

import numpy as np

from benchmarks.paper.best_shapes import CLAIM as TABLE
from benchmarks.paper.best_shapes import ZOO
from benchmarks.paper.claim import Claim, Outcome, Verdict
from benchmarks.paper.run import Run
from shape_audit.interval import interaction_and_loss
from shape_audit.interval.sweep_table import read_rows
from shape_audit.records import QuantityAndLoss

CLAIM = Claim(
    name="sweep_interaction",
    sentence="Under a fixed budget good generalization comes with efficient interaction: over a budget's shapes the "
    "loss rises with AOFE and falls with the AOFE-ratio. Next-token prediction.",
    published="AOFE and AOFE-ratio (projected output, plug-in) beside the loss of 123 models; along the best shapes "
    "loss = .90 x (W^T W ratio)^-1.86, R^2 .97",
    source=f"{TABLE.source}, optimal_frontier_powerlaw_fit.txt",
)
OURS = {
    "projected_output_aofe": "ours, projected output, AOFE",
    "projected_output_aofe_ratio": "ours, projected output, ratio",
    "loss_gradient_embedding_aofe": "ours, loss gradient, AOFE",
    "loss_gradient_embedding_aofe_ratio": "ours, loss gradient, ratio",
}


def measure(run: Run) -> Outcome:
    """Of each budget Spearman's correlation with the loss. The claim holds where the means over budgets have the
    claimed signs for AOFE and the ratio, by 95 % intervals over budgets; it does not where one has the other sign."""
    draws = 50 if run.is_quick else 2000
    published, ours = interaction_and_loss(draws=draws), interaction_and_loss(ZOO, draws=draws)
    assert published is not None and ours is not None
    by_name = {one.quantity: one for one in published.quantities}
    energy, ratio = (_over_budgets(by_name[name]) for name in ("aofe", "aofe_ratio"))
    verdict: Verdict = "cannot be told"
    if energy[1] > 0 and ratio[2] < 0:
        verdict = "holds"
    elif energy[2] < 0 or ratio[1] > 0:
        verdict = "does not hold"
    table = [["quantity", "budgets", "Spearman, mean", "negative at", "given R_D/W, mean"]]
    table += [_row(f"authors', {one.quantity}", one) for one in published.quantities]
    table += [_row(OURS[one.quantity], one) for one in ours.quantities if one.quantity in OURS]
    words = [
        f"Mean correlation with the loss over {len(by_name[name].budgets)} budgets: {label} "
        f"{value:+.2f} [{low:+.2f}, {high:+.2f}]."
        for name, label, (value, low, high) in (("aofe", "AOFE", energy), ("aofe_ratio", "AOFE-ratio", ratio))
    ]
    return Outcome(" ".join(words), verdict, table, [
        "the authors' columns are plug-in values of 64 x 64 matrices, which grow with the noise of tangents; ours are "
        f"U-statistics, of eight shapes at one budget, where {_plugin_against_unbiased()}",
        "budgets share shapes and every cell has one seed: intervals over budgets are too narrow rather than too wide",
        *published.worth,
    ])  # fmt: skip


def _over_budgets(quantity: QuantityAndLoss) -> tuple[float, float, float]:
    """Mean of Spearman's over budgets, and its 95 % interval by resampling budgets."""
    values_B = np.array([budget.spearman for budget in quantity.budgets])
    chosen_DB = np.random.default_rng(0).integers(0, len(values_B), (4000, len(values_B)))
    low, high = np.quantile(values_B[chosen_DB].mean(axis=1), [0.025, 0.975])
    return float(values_B.mean()), float(low), float(high)


def _plugin_against_unbiased() -> str:
    """By how much plug-in ratios of our own sweep are above U-statistics, at most."""
    rows = [row for _, row in read_rows(ZOO)]
    above = {
        words: max(float(row[f"{column}_plugin"]) - float(row[column]) for row in rows)
        for words, column in (
            ("projected output", "projected_output_aofe_ratio"),
            ("loss gradient", "loss_gradient_embedding_aofe_ratio"),
        )
    }
    return "plug-in ratios are higher by at most " + ", ".join(f"{most:.4f} ({words})" for words, most in above.items())


def _row(name: str, quantity: QuantityAndLoss) -> list[str]:
    values = [budget.spearman for budget in quantity.budgets]
    given = [budget.given_r_dw for budget in quantity.budgets if budget.given_r_dw is not None]
    negative = sum(value < 0 for value in values)
    return [name, str(len(values)), f"{np.mean(values):+.2f}", f"{negative} of {len(values)}",
            f"{np.mean(given):+.2f}" if given else "–"]  # fmt: skip
