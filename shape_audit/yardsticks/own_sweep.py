"""A yardstick from a sweep of one's own: the table of `shape-audit sweep run`, or any with the same columns."""

from __future__ import annotations

import math
from pathlib import Path

from shape_audit.errors import UsageError
from shape_audit.interval import SWEEP_TABLE, read_budgets
from shape_audit.yardsticks.law_files import groups_of
from shape_audit.yardsticks.law_fit import FittedLaw, TrainedShape, fit_law
from shape_audit.yardsticks.sweep_files import of_budgets
from shape_audit.yardsticks.yardstick import Draw, TestedGroup, Yardstick, shipped_yardsticks

DRAWS = 1000


def own_yardstick(name: str) -> Yardstick:
    """A yardstick fitted to the table (CSV) or folder of a sweep; raises as `read_yardstick` says."""
    path = table_of(name)
    if not path.is_file():
        names = ", ".join(shipped_yardsticks())
        raise UsageError(f"{name}: neither {names} nor the table or folder of a sweep")
    shapes, found = fit_own(path)
    return Yardstick(
        name=_name_of(path),
        description=described(path, shapes),
        source=str(path),
        basis="total",
        law_fields=found.law.model_dump(),
        fitted=Draw(math.log(found.law.a_star), found.law.c),
        draws=tuple(Draw(float(log_best), float(c)) for log_best, c in found.draws),
        groups=tuple(TestedGroup(group["params"], (group["r_dw"][0], group["r_dw"][1])) for group in groups_of(shapes)),
        tokens_range=None,
        size=None,
        has_times=False,
        doubts=(),
    )


def table_of(name: str) -> Path:
    """The table that a user means by a sweep's folder, its interval.json, or the table itself; it may be absent."""
    path = Path(name).expanduser()
    if path.is_dir():
        path /= SWEEP_TABLE
    if path.suffix == ".json" and (path.parent / SWEEP_TABLE).is_file():
        path = path.parent / SWEEP_TABLE  # interval.json of a sweep: the losses are in the table beside it
    return path


def fit_own(path: Path) -> tuple[list[TrainedShape], FittedLaw]:
    """The shapes of a table and their law."""
    shapes = of_budgets(read_budgets(path))
    return shapes, fit_law(shapes, "budgets", draws=DRAWS)


def described(path: Path, shapes: list[TrainedShape]) -> str:
    """What a sweep of one's own rests on."""
    sizes = sorted({shape.params for shape in shapes})
    ends = "-".join(f"{size / 1e6:.3g}M" for size in dict.fromkeys((sizes[0], sizes[-1]))) if sizes else "no budget"
    return f"{len(shapes)} shapes of {ends} ({_name_of(path)})"


def _name_of(table: Path) -> str:
    return table.parent.resolve().name if table.name == SWEEP_TABLE else table.name
