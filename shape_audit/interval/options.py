"""How an interval is derived from a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shape_audit.errors import UsageError
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class IntervalOptions(Spec):
    """How an interval is derived from a sweep."""

    tolerance: Annotated[
        float, Option("How much worse than the budget's best a shape may be, as a fraction.", panel="Statistics")
    ] = 0.02
    min_params: Annotated[
        float | None,
        Option(
            "Leave out smaller parameter budgets.", default="1e6 in the shipped sweep, else none", panel="Statistics"
        ),
    ] = None
    draws: Annotated[
        int, Option("Resamples of seeds, and of shapes for the fit's intervals; 0 leaves out both.", panel="Statistics")
    ] = 2000
    seed: Annotated[int, Option("Random seed for resampling.", panel="Statistics")] = 0

    def check(self) -> None:
        if not 0 < self.tolerance < 1:
            raise UsageError(f"the tolerance must be a fraction between 0 and 1 (0.02 for 2 %), not {self.tolerance}")
        if self.draws < 0 or 0 < self.draws < 100:
            raise UsageError(f"--draws {self.draws}: take at least 100, or 0 for neither bootstrap nor fit")
        if self.seed < 0:
            raise UsageError(f"--seed must be 0 or more, not {self.seed}")
