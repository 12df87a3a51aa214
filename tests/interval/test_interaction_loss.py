"""Interaction and loss: the published figures from the shipped table, and planted relations found or not."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import shape_audit
from shape_audit.errors import UsageError
from shape_audit.interval import derive_interval, interaction_and_loss, with_open_models
from shape_audit.interval.sweep_table import SHIPPED_TABLE
from shape_audit.records import AuditRecord, BudgetCorrelation, QuantityAndLoss
from shape_audit.reports import interval_markdown

DERIVATION = derive_interval(draws=500)


def quantity(name: str) -> QuantityAndLoss:
    assert DERIVATION.interaction is not None
    return next(one for one in DERIVATION.interaction.quantities if one.quantity == name)


def at(name: str, budget: float) -> BudgetCorrelation:
    return next(one for one in quantity(name).budgets if one.target_params == budget)


@pytest.mark.parametrize(
    ("name", "budget", "published"),
    [
        ("aofe_ratio", 2.3e6, -0.84), ("aofe_ratio", 3e6, -0.84), ("aofe_ratio", 1e7, -0.90),
        ("aofe_ratio", 1e6, 0.30), ("aofe", 5e6, 0.99), ("aofe", 3e5, -0.86),
    ],
)  # fmt: skip
def test_correlations_of_the_shipped_table(name: str, budget: float, published: float) -> None:
    assert round(at(name, budget).pearson, 2) == published


def test_the_frontier_of_the_shipped_table() -> None:
    law = quantity("wtw_aofe_ratio").frontier
    assert law is not None and law.n == 11
    assert (round(law.coefficient, 4), round(law.exponent, 3), round(law.r_squared, 3)) == (0.9035, -1.857, 0.972)


def test_statistics_are_those_of_scipy() -> None:
    with SHIPPED_TABLE.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["target_params"] == "1300000"]
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("aofe_ratio", "test_ce")}
    x, y = columns["aofe_ratio"], columns["test_ce"]
    log_r = np.log([float(row["num_hidden_layers"]) / float(row["hidden_size"]) for row in rows])
    left = [column - np.poly1d(np.polyfit(log_r, column, 1))(log_r) for column in (x, y)]
    found = at("aofe_ratio", 1.3e6)
    assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.given_r_dw == pytest.approx(stats.pearsonr(*left).statistic)
    # 500 shuffles tell a p of .03 to within .008, and the t test is a normal sample's
    assert found.p_permutation == pytest.approx(stats.pearsonr(x, y).pvalue, abs=0.03)


def test_the_report_says_what_it_is_worth() -> None:
    text = " ".join(interval_markdown(DERIVATION).split())
    assert "6 to 12 shapes a budget, each trained once" in text
    assert "aofe\\_ratio at 9 of 11" in text and "the sign is not the same everywhere" in text
    assert "= 0.9035 × (AOFE-ratio of the embedding's WᵀW)^-1.857, R² 0.972" in text
    assert derive_interval(draws=0).interaction is None


def planted(path: Path, *, seeds: int = 2) -> Path:
    """Two budgets whose ratio falls as the loss rises, and whose excess has nothing to do with it."""
    generator = np.random.default_rng(3)
    names = ("loss_gradient_embedding_aofe_ratio", "loss_gradient_embedding_aofe_ratio_excess")
    lines = [",".join(("target_params", "num_hidden_layers", "hidden_size", "seed", "test_ce", *names))]
    for budget in (1000, 2000):
        for depth in range(1, 11):
            loss = 2 + 0.1 * generator.normal()
            excess = generator.normal()
            for seed in range(seeds):
                lines.append(f"{budget},{depth},64,{seed},{loss},{3 - loss},{excess}")
    path.write_text("\n".join(lines))
    return path


def test_a_planted_relation_is_found_and_none_is_not(tmp_path: Path) -> None:
    found = interaction_and_loss(planted(tmp_path / "table.csv"))
    assert found is not None
    ratio, excess = found.quantities
    assert ratio.quantity.endswith("aofe_ratio") and excess.quantity.endswith("excess")
    for budget in ratio.budgets:
        assert (budget.n, budget.runs) == (10, 20), "seeds of a shape count once"
        assert budget.pearson == pytest.approx(-1) and budget.p_permutation < 0.01
        assert budget.given_r_dw == pytest.approx(-1)
    assert all(budget.p_permutation > 0.05 for budget in excess.budgets)
    assert ratio.frontier is None, "two budgets are no law"
    assert not any("trained once" in line for line in found.worth)


def test_a_table_without_interaction_has_none(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("target_params,num_hidden_layers,hidden_size,test_ce\n1000,1,64,2.0\n1000,2,48,1.9\n")
    assert derive_interval(path).interaction is None


@pytest.fixture(scope="module")
def record() -> AuditRecord:
    return shape_audit.audit("builtin:zoo-300k-4x80", windows=6, seq_len=16, sites="embedding")


def open_model(record: AuditRecord, ratio: float, loss: float) -> AuditRecord:
    assert record.interaction is not None and record.loss is not None
    site = record.interaction.sites[0].model_copy(update={"aofe_ratio": ratio})
    profile = record.interaction.model_copy(update={"sites": [site]})
    return record.model_copy(
        update={"interaction": profile, "loss": record.loss.model_copy(update={"nats_per_token": loss})}
    )


def test_open_models_follow_a_planted_law(record: AuditRecord) -> None:
    models = [open_model(record, ratio, 1.5 * ratio**-2) for ratio in (0.5, 0.6, 0.7, 0.8, 0.9)]
    found = with_open_models(derive_interval(draws=0), models).interaction
    assert found is not None and not found.quantities
    (law,) = found.open_models
    assert (law.quantity, law.loss, law.correlation.n) == ("aofe_ratio", "nats_per_token", 5)
    assert law.fit is not None
    assert (law.fit.coefficient, law.fit.exponent) == pytest.approx((1.5, -2)) and law.fit.r_squared > 0.999
    assert law.correlation.given_r_dw == pytest.approx(law.correlation.pearson), "all of one shape"
    assert "no effect of the one on the other" in found.worth[-1]


def test_open_models_must_be_of_one_text_and_enough(record: AuditRecord) -> None:
    models = [open_model(record, 0.5 + step / 10, 2.0 + step) for step in range(4)]
    with pytest.raises(UsageError, match="3 measured records; loss and interaction need at least 4"):
        with_open_models(derive_interval(draws=0), models[:3])
    assert record.calibration is not None
    other = models[0].model_copy(update={"calibration": record.calibration.model_copy(update={"seq_len": 7})})
    with pytest.raises(UsageError, match="2 different texts"):
        with_open_models(derive_interval(draws=0), [*models, other])
