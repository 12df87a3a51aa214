"""The scores known for a model, in the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shape_audit.records import ScoreRecord
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.rich_tables import plain, rich_table
from shape_audit.reports.tables import Table

MIND = "Scores of different protocols cannot be compared: the same model moves by up to 6 points between two of them."

_VERIFIED = {None: "", True: ", verified", False: ", unverified"}


def scores_text(model: str, scores: Sequence[ScoreRecord], to_mind: Sequence[str]) -> RenderableType:
    """A table by protocol, and what is to be minded."""
    if not scores:
        return Group(plain(f"No MMLU-Pro score of {model} is known.", style="bold"), *_lines(to_mind))
    return Group(rich_table(_table(model, scores)), Text(), *_lines([MIND, *to_mind]))


def scores_markdown(model: str, scores: Sequence[ScoreRecord], to_mind: Sequence[str]) -> str:
    """Markdown with a final line end."""
    table = markdown_table(_table(model, scores)) if scores else f"No MMLU-Pro score of {escaped(model)} is known."
    return "\n".join([table, "", *(f"- {escaped(line)}" for line in ([MIND] if scores else []) + list(to_mind)), ""])


def scores_json(model: str, scores: Sequence[ScoreRecord], to_mind: Sequence[str]) -> str:
    """One object: model, scores, to_mind."""
    content = {"model": model, "scores": [score.model_dump() for score in scores], "to_mind": list(to_mind)}
    return json.dumps(content, indent=2) + "\n"


def _lines(lines: Sequence[str]) -> list[RenderableType]:
    return [Padding(plain(f"- {line}"), (0, 0, 0, 2)) for line in lines]


def _table(model: str, scores: Sequence[ScoreRecord]) -> Table:
    rows = [
        (
            score.protocol,
            f"{100 * score.value:.2f} %" + (f" ± {196 * score.stderr:.2f}" if score.stderr else ""),
            f"{score.n:,}{' (limited)' if score.is_limited else ''}" if score.n else "not said",
            score.provider
            + (", verified" if score.is_verified else ", unverified" if score.is_verified is False else ""),
            score.date or "",
            (score.source, *score.notes),
        )
        for score in scores
    ]
    columns = ("protocol", "accuracy", "questions", "from", "date", "source")
    return Table(f"MMLU-Pro scores known for {model}", columns, tuple(rows), numeric=False)
