"""Everything a check can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from shape_audit.checks.policy import Policy
from shape_audit.errors import UsageError
from shape_audit.hub import ReadOptions
from shape_audit.records import Severity
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class CheckOptions(Spec):
    """What to look at, and by what to judge.

    Attributes:
        policy: a policy, or the TOML file of one; None for the default one.
        baseline: fingerprints of findings that are accepted; None for none.
        select, ignore: ids of rules, or beginnings of ids (SA3); ignore wins.
    """

    policy: Annotated[
        Path | Policy | None,
        Option(
            "Policy file (TOML).",
            metavar="FILE",
            default="what is stricter in the nearest pyproject.toml",
            panel="Rules",
        ),
    ] = None
    interval: Annotated[
        Path | None,
        Option(
            "Interval of R_D/W to use instead of the policy's (see shape-audit interval).",
            metavar="FILE",
            panel="Rules",
        ),
    ] = None
    deep: Annotated[
        bool,
        Option("Compare the tensors with the architecture that transformers builds.", stricter=(True,), panel="Scope"),
    ] = False
    weights: Annotated[
        bool, Option("Look at every number, for NaN, infinity, zeros.", stricter=(True,), panel="Scope")
    ] = False
    verify_hashes: Annotated[
        bool, Option("Compare all files with the Hub's hashes (downloads them).", stricter=(True,), panel="Scope")
    ] = False
    measure: Annotated[bool, Option("Make a measured audit, for the SA8 rules.", stricter=(True,), panel="Scope")] = (
        False
    )
    record: Annotated[
        Path | None,
        Option("Use this record of the model instead of making one with --measure.", metavar="FILE", panel="Scope"),
    ] = None
    baseline: Annotated[
        Path | None, Option("Accept the findings that are listed here.", metavar="FILE", panel="Rules")
    ] = None
    select: Annotated[
        tuple[str, ...], Option("Run only these rules, e.g. SA3,SA401.", metavar="RULES", panel="Rules")
    ] = ()
    ignore: Annotated[tuple[str, ...], Option("Do not run these rules.", metavar="RULES", panel="Rules")] = ()
    fail_on: Annotated[
        Severity, Option("The least severity that makes the exit code 1.", stricter=("warning", "note"), panel="Rules")
    ] = "error"
    settings: Annotated[
        tuple[str, ...], Option("What the report says of the file these options are from.", python_only=True)
    ] = ()
    read: ReadOptions = field(default_factory=ReadOptions)

    def check(self) -> None:
        for name in ("select", "ignore"):
            object.__setattr__(self, name, tuple(rule.upper() for rule in getattr(self, name)))
        if self.measure and self.record is not None:
            raise UsageError("--measure makes a record, --record takes one; choose one")
