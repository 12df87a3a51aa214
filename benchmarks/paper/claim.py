"""What a reproduction says: the claim, what its authors report, what came out here, and a plain verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["holds", "does not hold", "cannot be told"]
INTERACTION_LAW = "github.com/wenjie1835/Interaction_Law, commit 5664889"
SHAPE_SCALING = "github.com/wenjie1835/Shape_Scaling, commit a01393d"


@dataclass(frozen=True)
class Claim:
    """One claim of the paper or of its follow-up.

    Attributes:
        name: of the experiment; its script is called so.
        sentence: the claim.
        published: what its authors report.
        source: repository, commit and file of that.
    """

    name: str
    sentence: str
    published: str
    source: str


@dataclass(frozen=True)
class Outcome:
    """What came out here.

    Attributes:
        found: in a few sentences, with intervals.
        verdict: on the claim, by a rule that the script states.
        table: rows of cells, the header first.
        notes: what is not as the authors had it.
    """

    found: str
    verdict: Verdict
    table: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = field(default=())


def section(claim: Claim, outcome: Outcome, minutes: float) -> str:
    """Of the page."""
    parts = [
        f"## {claim.name}",
        f"**Claim.** {claim.sentence}",
        f"**Published.** {claim.published} ({claim.source})",
        f"**Here.** {outcome.found}",
    ]
    if outcome.table:
        header, *rows = outcome.table
        rule = ["---", *["---:"] * (len(header) - 1)]
        parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)))
    if outcome.notes:
        parts.append("\n".join(f"- {note}" for note in outcome.notes))
    parts.append(f"**Verdict: {outcome.verdict}.** {minutes:.1f} minutes.")
    return "\n\n".join(parts)
