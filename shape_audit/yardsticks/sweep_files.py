"""The sweeps behind the shipped yardsticks, as `scripts/make_yardsticks.py` wrote them: shapes and their losses."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shape_audit.interval import SHIPPED_MIN_PARAMS, Budgets, read_budgets
from shape_audit.records import Basis
from shape_audit.shipped import rows
from shape_audit.yardsticks.law_fit import TrainedShape

TOKENS_PER_STEP = 2048 * 2048
"""Of Gemstones: sequences of 2,048, and as many of them a step."""
LEAST_TOKENS = 45e9
"""Checkpoints of Gemstones from which the law is fitted: the five before it are still in the steep part."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class Checkpoints:
    """Which losses of Gemstones a law is fitted to.

    Attributes:
        run: main, cooldown (learning rate to 0) or lr_half (half the learning rate).
        tokens: those between these ends.
        without: models left out.
        suspects: whether checkpoints count that the curators of the data doubt.
        least_params: models below it, in total parameters, are left out.
    """

    run: str = "main"
    eval_set: str = "dolma_val"
    tokens: tuple[float, float] = (LEAST_TOKENS, math.inf)
    without: tuple[str, ...] = ()
    suspects: bool = True
    least_params: float = 0.0


def gemstones(chosen: Checkpoints | None = None, basis: Basis = "non-embedding") -> list[TrainedShape]:
    """The shapes of Gemstones, each with one loss for all of its checkpoints.

    That is its mean distance, in ln loss, from the mean over models of each checkpoint, plus the mean of all: models
    that lack a checkpoint are held against those that have it.
    """
    chosen = chosen or Checkpoints()
    log_losses: dict[int, dict[str, float]] = defaultdict(dict)
    known = {row["model"]: row for row in rows("yardsticks/gemstones_models")}
    for row in rows("yardsticks/gemstones_losses"):
        if (row["run"], row["eval_set"]) == (chosen.run, chosen.eval_set) and _is_chosen(known[row["model"]], chosen):
            for step, loss in _curve(row, chosen):
                log_losses[step][row["model"]] = math.log(loss)
    distances: dict[str, list[float]] = defaultdict(list)
    every = [loss for at_step in log_losses.values() for loss in at_step.values()]
    for at_step in log_losses.values():
        mean = sum(at_step.values()) / len(at_step)
        for model, loss in at_step.items():
            distances[model].append(loss - mean)
    grand_mean = sum(every) / len(every)
    return [
        TrainedShape(
            num_hidden_layers=int(row["depth"]),
            hidden_size=int(row["width"]),
            budget=row["budget_group"],
            params=float(row["params_non_embedding" if basis == "non-embedding" else "params_total"]),
            loss=math.exp(sum(distances[model]) / len(distances[model]) + grand_mean),
        )
        for model, row in known.items()
        if model in distances
    ]


def gemstones_curve(model: str) -> list[tuple[float, float]]:
    """(tokens, loss) of the main run on Dolma."""
    chosen = Checkpoints(tokens=(0.0, math.inf))
    row = next(
        row for row in rows("yardsticks/gemstones_losses")
        if (row["run"], row["eval_set"], row["model"]) == (chosen.run, chosen.eval_set, model)
    )  # fmt: skip
    return [(step * float(TOKENS_PER_STEP), loss) for step, loss in _curve(row, chosen)]


def _is_chosen(model: Row, chosen: Checkpoints) -> bool:
    return model["model"] not in chosen.without and float(model["params_total"]) >= chosen.least_params


def _curve(row: Row, chosen: Checkpoints) -> list[tuple[int, float]]:
    suspect = () if chosen.suspects else row["suspect_steps"].split()
    low, high = chosen.tokens
    return [
        (int(step), float(loss))
        for step, loss in zip(row["steps"].split(), row["losses"].split(), strict=True)
        if low <= int(step) * TOKENS_PER_STEP <= high and step not in suspect
    ]


def morph() -> list[TrainedShape]:
    """The shapes of the morph study, by nominal size and tokens; budgets of one shape tell nothing and are left out."""
    found = [
        TrainedShape(
            num_hidden_layers=int(row["depth"]),
            hidden_size=int(row["width"]),
            budget=f"{row['budget_group']}, {row['variant'].rpartition('_')[2].removesuffix('N')} tokens a parameter",
            params=float(row["params_non_embedding"]),
            loss=float(row["value"]),
        )
        for row in rows("yardsticks/morph")
    ]
    return _of_several(found)


def byte_sweep() -> list[TrainedShape]:
    """The shapes of the table that ships with `interval`, in its budgets of a million parameters or more."""
    return of_budgets({size: cells for size, cells in read_budgets(None).items() if size >= SHIPPED_MIN_PARAMS})


def of_budgets(budgets: Budgets) -> list[TrainedShape]:
    """The shapes of a sweep's table."""
    return _of_several([
        TrainedShape(cell.num_hidden_layers, cell.hidden_size, f"{size:,}", float(size), cell.loss)
        for size, cells in budgets.items()
        for cell in cells
    ])  # fmt: skip


def _of_several(shapes: list[TrainedShape]) -> list[TrainedShape]:
    sizes: dict[str, int] = defaultdict(int)
    for shape in shapes:
        sizes[shape.budget] += 1
    return [shape for shape in shapes if sizes[shape.budget] > 1]


SHIPPED_SWEEPS: Mapping[str, Callable[[], list[TrainedShape]]] = {
    "gemstones": gemstones,
    "morph": morph,
    "byte-sweep": byte_sweep,
}
