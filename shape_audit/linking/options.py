"""Which models and scores are linked, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from shape_audit.errors import UsageError
from shape_audit.records import Interval
from shape_audit.scores import LM_EVAL_LETTERS
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class LinkOptions(Spec):
    """Which models and scores are linked, and how sure that is."""

    protocol: Annotated[
        str,
        Option(
            "Score protocol; others are ignored. With +chat_template for any model's own.", panel="Models and scores"
        ),
    ] = LM_EVAL_LETTERS
    params: Annotated[str, Option("Parameters of the models.", metavar="LOW:HIGH", panel="Models and scores")] = (
        "1e8:1.5e10"
    )
    base_only: Annotated[
        bool, Option("Leave out instruction-tuned models.", flags=("--base-only/--all",), panel="Models and scores")
    ] = True
    interval: Annotated[
        Path | Interval | None,
        Option("Interval JSON to use, not the shipped one.", metavar="FILE", panel="Models and scores"),
    ] = None
    draws: Annotated[int, Option("Resamples and permutations.", panel="Statistics")] = 10_000
    seed: Annotated[int, Option("Random seed for resampling and permutations.", panel="Statistics")] = 0

    def check(self) -> None:
        if not 100 <= self.draws <= 1_000_000:
            raise UsageError(f"--draws must be between 100 and 1,000,000, not {self.draws}")
