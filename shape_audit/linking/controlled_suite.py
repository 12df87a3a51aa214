"""Gemstones: models of one recipe and one data set that differ in shape and size alone, with their benchmarks.

The data is what `scripts/make_gemstones_benchmarks.py` wrote; its sources stand in data/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from shape_audit.shipped import rows

SUITE = "Gemstones"
SOURCE = "Gemstones, McLeish et al., NeurIPS 2025, arXiv 2502.06857 (data MIT)"
TOKENS_PER_STEP = 2048 * 2048
BUDGETS = {"50M": 5e7, "100M": 1e8, "500M": 5e8, "1B": 1e9, "2B": 2e9}
"""Name of a budget -> total parameters that its models are about."""


@dataclass(frozen=True)
class SuiteModel:
    """One model at the end of its training, means over its last checkpoints.

    Attributes:
        loss: nats per token on held-out text of the training data.
        accuracies: task -> share of right answers.
    """

    budget: str
    num_hidden_layers: int
    hidden_size: int
    params_total: float
    params_non_embedding: float
    tokens: float
    loss: float
    accuracies: Mapping[str, float]

    @property
    def r_dw(self) -> float:
        return self.num_hidden_layers / self.hidden_size

    @property
    def points_above_guessing(self) -> float:
        """Mean over the tasks, in percentage points."""
        above = [value - guesses()[task] for task, value in self.accuracies.items()]
        return 100 * sum(above) / len(above)


@cache
def guesses() -> Mapping[str, float]:
    """Task -> accuracy of a guess."""
    return {row["task"]: float(row["guess"]) for row in rows("yardsticks/benchmark_tasks")}


@cache
def suite_models() -> tuple[SuiteModel, ...]:
    """All of them, by budget and R_D/W."""
    models = [
        SuiteModel(
            budget=row["budget_group"],
            num_hidden_layers=int(row["depth"]),
            hidden_size=int(row["width"]),
            params_total=float(row["params_total"]),
            params_non_embedding=float(row["params_non_embedding"]),
            tokens=TOKENS_PER_STEP * float(row["steps"].split()[-1]),
            loss=float(row["loss"]),
            accuracies={task: float(row[task]) for task in guesses()},
        )
        for row in rows("yardsticks/gemstones_benchmarks")
    ]
    return tuple(sorted(models, key=lambda model: (BUDGETS[model.budget], model.r_dw)))
