"""Everything a yardstick says, fitted anew from its sweep: groups, law, bands, how much hangs on single choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from shape_audit.errors import UsageError
from shape_audit.records import (
    BestAt,
    GroupShape,
    IntervalDerivation,
    LawVariant,
    OtherLaw,
    ShapeGroup,
    YardstickReport,
)
from shape_audit.shipped import rows
from shape_audit.yardsticks.comparisons import gemstones_comparisons
from shape_audit.yardsticks.cost import best_r_dw_at_total, cost_band, shape_costs
from shape_audit.yardsticks.law_files import LEVELS
from shape_audit.yardsticks.law_fit import Levels, TrainedShape, fit_law
from shape_audit.yardsticks.own_sweep import fit_own, own_yardstick, table_of
from shape_audit.yardsticks.sweep_files import SHIPPED_SWEEPS, Checkpoints, gemstones
from shape_audit.yardsticks.yardstick import Yardstick, shipped_yardstick, shipped_yardsticks

BANDS = (0.005, 0.01, 0.02)
TOTALS = (100e6, 500e6, 1e9, 2e9, 7e9)
TIMES = (20e9, 50e9, 100e9, 350e9)
DRAWS = 1000
"""Resamples of each choice of data; the law itself has 4,000."""
EMBEDDING, BLOCK = 2 * 50_304, 15.0
"""Of Gemstones: embedding parameters a channel, and parameters of a block over the square of its width."""

GEMSTONES: dict[str, Checkpoints] = {
    "FineWeb-Edu in place of Dolma": Checkpoints(eval_set="fineweb_edu"),
    "DCLM": Checkpoints(eval_set="dclm"),
    "FineWeb (4 checkpoints)": Checkpoints(eval_set="fineweb"),
    "half the learning rate": Checkpoints(run="lr_half"),
    "cooldown to rate 0, 44B-99B tokens": Checkpoints(run="cooldown", tokens=(40e9, 100e9)),
    "cooldown without its two suspect models": Checkpoints(
        run="cooldown", tokens=(40e9, 100e9), without=("Gemstone-2560x8", "Gemstone-3072x12")
    ),
    "at 10B tokens": Checkpoints(tokens=(9.9e9, 10.1e9)),
    "at 100B tokens": Checkpoints(tokens=(99e9, 101e9)),
    "at 350B tokens": Checkpoints(tokens=(349e9, 351e9)),
    "without the doubted checkpoint": Checkpoints(suspects=False),
    "without 768x3, the shallowest small one": Checkpoints(without=("Gemstone-768x3",)),
    "without 256x71 and 256x80, the deepest": Checkpoints(without=("Gemstone-256x71", "Gemstone-256x80")),
    "500M and larger alone": Checkpoints(least_params=3e8),
}


def yardstick_report(name: str) -> YardstickReport:
    """What a yardstick says.

    Args:
        name: a shipped yardstick, or the table (CSV) or folder of a sweep.

    Raises:
        UsageError, CorruptFileError, IncompleteError: as `read_yardstick`.
    """
    is_shipped = name in shipped_yardsticks()
    yardstick = shipped_yardstick(name) if is_shipped else own_yardstick(name)
    shapes, levels = (SHIPPED_SWEEPS[name](), LEVELS[name]) if is_shipped else (fit_own(table_of(name))[0], "budgets")
    size, has_times = yardstick.size, yardstick.has_times
    return YardstickReport(
        name=yardstick.name,
        description=yardstick.description,
        source=yardstick.source,
        basis=yardstick.basis,
        params_range=(min(shape.params for shape in shapes), max(shape.params for shape in shapes)),
        r_dw_range=yardstick.r_dw_range,
        tokens_range=yardstick.tokens_range,
        law=yardstick.law,
        bands=[cost_band(yardstick, excess) for excess in BANDS],
        groups=_groups(yardstick, shapes),
        comparisons=gemstones_comparisons() if name == "gemstones" else [],
        sensitivity=_sensitivity(name, shapes, levels),
        best_at_total_params=[
            BestAt(at=total, r_dw=best_r_dw_at_total(yardstick, total, EMBEDDING, BLOCK)) for total in TOTALS if size
        ],
        best_at_tokens=[BestAt(at=tokens, r_dw=_best_at_time(yardstick, tokens)) for tokens in TIMES if has_times],
        time_elasticity=yardstick.fitted.elasticity if has_times else None,
        time_elasticity_total=yardstick.fitted.elasticity_total if has_times else None,
        other_laws=_others() if name == "gemstones" else [],
        doubts=[*yardstick.doubts, *_contradictions(yardstick)],
    )


def with_yardstick(derivation: IntervalDerivation, table: str | Path) -> IntervalDerivation:
    """The derivation of an interval, with what a shape costs by a law fitted to the same table beside it.

    Where the losses have no law, a note says why.

    Args:
        table: the derivation's; all of its budgets count, as they do for `--yardstick`.
    """
    try:
        return derivation.model_copy(update={"yardstick": yardstick_report(str(table))})
    except UsageError as error:
        return derivation.model_copy(update={"notes": [*derivation.notes, f"no cost of a shape: {error}"]})


def _groups(yardstick: Yardstick, shapes: Sequence[TrainedShape]) -> list[ShapeGroup]:
    """Each budget's shapes; where the size is known to matter, every loss is moved to one size by the size curve."""
    seconds = _seconds() if yardstick.has_times else {}
    found = []
    for budget in dict.fromkeys(shape.budget for shape in sorted(shapes, key=lambda shape: shape.params)):
        members = sorted((shape for shape in shapes if shape.budget == budget), key=lambda shape: shape.r_dw)
        level = yardstick.size.level if yardstick.size else lambda params: 0.0
        logs = [math.log(shape.loss) - level(shape.params) for shape in members]
        best = logs.index(min(logs))
        found.append(
            ShapeGroup(
                name=budget,
                shapes=[
                    GroupShape(
                        num_hidden_layers=shape.num_hidden_layers,
                        hidden_size=shape.hidden_size,
                        r_dw=shape.r_dw,
                        loss_excess=math.expm1(log - logs[best]),
                        seconds_per_mtoken=seconds.get((shape.num_hidden_layers, shape.hidden_size)),
                    )
                    for shape, log in zip(members, logs, strict=True)
                ],
                best_r_dw=members[best].r_dw,
                is_edge=best in (0, len(members) - 1),
            )
        )
    return found


def _seconds() -> dict[tuple[int, int], float]:
    table = rows("yardsticks/gemstones_models")
    return {(int(row["depth"]), int(row["width"])): float(row["gcd_seconds_per_mtoken"]) for row in table}


def _sensitivity(name: str, shapes: list[TrainedShape], levels: Levels) -> list[LawVariant]:
    """The law on other choices of data; those on which it has no best shape are left out."""
    if name == "gemstones":
        choices: list[tuple[str, list[TrainedShape], Levels]] = [
            (label, gemstones(chosen), levels) for label, chosen in GEMSTONES.items()
        ]
    elif name == "morph":
        choices = [("at equal total parameters: no slope over the size", shapes, "budgets")]
        for tokens in ("20 tokens a parameter", "40 tokens a parameter"):
            choices.append((f"{tokens} alone", [s for s in shapes if s.budget.endswith(f", {tokens}")], levels))
    else:
        sizes = sorted({shape.params for shape in shapes})
        middle = sizes[len(sizes) // 2]
        choices = [
            (f"budgets below {middle / 1e6:.3g}M", [s for s in shapes if s.params < middle], levels),
            (f"budgets from {middle / 1e6:.3g}M", [s for s in shapes if s.params >= middle], levels),
        ]
    found = []
    for label, chosen, of_level in choices:
        try:
            law = fit_law(chosen, of_level, draws=DRAWS).law
        except UsageError:
            continue
        found.append(
            LawVariant(name=label, **law.model_dump(include={"shapes", "a_star", "a_star_ci", "c", "residual_sd"}))
        )
    return found


class _Billion:
    """A shape of one billion non-embedding parameters; of such questions only the best shape is looked at."""

    num_hidden_layers, hidden_size, params_total, params_non_embedding = 20, 1000, 1_100_000_000, 1_000_000_000


def _best_at_time(yardstick: Yardstick, tokens: float) -> float:
    costs = shape_costs(yardstick, _Billion(), tokens=tokens)
    return next(cost.best_r_dw for cost in costs if (cost.basis, cost.price) == ("non-embedding", "training-time"))


def _others() -> list[OtherLaw]:
    return [
        OtherLaw(
            name=row["name"],
            params=float(row["params_non_embedding"]),
            best_r_dw=float(row["best_r_dw"]),
            source=row["source"],
        )
        for row in rows("yardsticks/other_laws")
    ]


def _contradictions(yardstick: Yardstick) -> list[str]:
    """Shipped yardsticks of the same basis whose best shape this one's interval excludes, and the other way round."""
    lines = []
    for name in shipped_yardsticks():
        other = shipped_yardstick(name)
        if name == yardstick.name or other.basis != yardstick.basis:
            continue
        mine, theirs = yardstick.law.a_star_ci, other.law.a_star_ci
        if mine and theirs and (mine[1] < theirs[0] or theirs[1] < mine[0]):
            lines.append(
                f"{name} contradicts it: by {name} the best R_D/W is {other.law.a_star:.4f} [{theirs[0]:.4f}, "
                f"{theirs[1]:.4f}], here {yardstick.law.a_star:.4f} [{mine[0]:.4f}, {mine[1]:.4f}]"
            )
    return lines
