"""Scores that others have published, shipped with their sources: `data/mmlu_pro_scores.csv` (made by
`scripts/make_mmlu_pro_scores`)."""

from __future__ import annotations

from functools import cache

from shape_audit.records import ModelRef, ScoreRecord
from shape_audit.shipped import rows

_WITH = "prompted with the model's chat template"
_TEMPLATE_WORDS = {
    "": "",
    "false": "prompted without a chat template",
    "unknown": "whether it was prompted with the model's chat template is not said by the source",
}


@cache
def published_scores() -> tuple[ScoreRecord, ...]:
    """All rows of the shipped table."""
    return tuple(
        ScoreRecord(
            model=row["repo_id"],
            revision=None,
            protocol=row["protocol"] + _departures(row),
            value=float(row["accuracy"]),
            stderr=float(row["stderr"]),
            n=int(row["n"]),
            is_limited=False,
            provider="published",
            source=row["source"],
            date=row["date"] or None,
            notes=[note for note in (row["notes"], _TEMPLATE_WORDS.get(row["chat_template"], _WITH)) if note],
        )
        for row in rows("mmlu_pro_scores")
    )


def published_for(model: str | ModelRef) -> list[ScoreRecord]:
    """Of one model: of a Hub repository as a whole, never of a folder or variant in it. They are of the default branch;
    of another one, they are set apart."""
    ref = ModelRef("hub", model) if isinstance(model, str) else model
    found = [score for score in published_scores() if ModelRef("hub", score.model).is_same_model(ref)]
    if ref.branch is None:
        return found
    why = f"of the default branch, not {ref.branch:.40}"
    return [score.model_copy(update={"set_apart": why}) for score in found]


def _departures(row: dict[str, str]) -> str:
    """What the columns make of the protocol's name, as a result file of the same run would be read."""
    template = row["chat_template"]
    if template in ("", "false"):
        return ""
    shown = "+chat_template" if template == "true" else f"+chat_template={template}"
    return shown + (f"+fewshot_as_multiturn={row['fewshot_as_multiturn']}" if row["fewshot_as_multiturn"] else "")
