"""Scores that others have published, shipped with their sources: `data/mmlu_pro_scores.csv` (made by
`scripts/make_mmlu_pro_scores`)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from shape_audit.records import ModelRef, ScoreRecord

TABLE = Path(__file__).resolve().parent.parent / "data" / "mmlu_pro_scores.csv"


@cache
def published_scores() -> tuple[ScoreRecord, ...]:
    """All rows of the shipped table."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return tuple(
            ScoreRecord(
                model=row["repo_id"],
                revision=None,
                protocol=row["protocol"],
                value=float(row["accuracy"]),
                stderr=float(row["stderr"]),
                n=int(row["n"]),
                is_limited=False,
                provider="published",
                source=row["source"],
                date=row["date"] or None,
                notes=[row["notes"]] if row["notes"] else [],
            )
            for row in csv.DictReader(stream)
        )


def published_for(model: ModelRef) -> list[ScoreRecord]:
    """Of one model: of a Hub repository as a whole, never of a folder or variant in it."""
    return [score for score in published_scores() if ModelRef("hub", score.model).is_same_model(model)]
