"""The scores known for a model, in the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from shape_audit.escaping import json_text
from shape_audit.records import AmongSize, ScoreRecord
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import rounded_count
from shape_audit.reports.rich_tables import FittedTable, bullets, plain
from shape_audit.reports.tables import Cell, Table
from shape_audit.scores import CHANCE, FLOOR

MIND = "Scores of different protocols cannot be compared: the same model moves by up to 6 points between two of them."
AT_FLOOR = f"at or below {100 * FLOOR:.0f} % a score says nothing: guessing gives {100 * CHANCE:.1f} %"
_VERIFIED = {None: "{}", True: "{}, verified", False: "{}, unverified"}


def scores_text(model: str, scores: Sequence[ScoreRecord], warnings: Sequence[str]) -> RenderableType:
    """A table by protocol, and what is to be minded."""
    if not scores:
        return Group(plain(f"No MMLU-Pro score of {model} is known.", style="bold"), *bullets(warnings))
    return Group(
        FittedTable(scores_table(model, scores)), *map(plain, score_sources(scores)), Text(),
        *bullets([*_mind(scores), *warnings]),
    )  # fmt: skip


def scores_markdown(model: str, scores: Sequence[ScoreRecord], warnings: Sequence[str]) -> str:
    """Markdown with a final line end."""
    none = f"No MMLU-Pro score of {escaped(model)} is known."
    table = markdown_table(scores_table(model, scores)) if scores else none
    lines = [*score_sources(scores), *_mind(scores), *warnings]
    return "\n".join([table, "", *(f"- {escaped(line)}" for line in lines), ""])


def scores_json(model: str, scores: Sequence[ScoreRecord], warnings: Sequence[str]) -> str:
    """One object: model, scores, to_mind (warnings)."""
    at_floor = [f"{score.source}: {AT_FLOOR}" for score in scores if score.value <= FLOOR]
    content = {"model": model, "scores": [score.model_dump() for score in scores], "to_mind": [*at_floor, *warnings]}
    return json_text(content)


def _mind(scores: Sequence[ScoreRecord]) -> list[str]:
    return [MIND] if len({score.protocol for score in scores}) > 1 else []


def scores_table(model: str, scores: Sequence[ScoreRecord]) -> Table:
    """One row a score; `score_sources` says where each is from."""
    has_sizes = any(score.among_size for score in scores)
    rows = [
        (
            f"[{number}]",
            _at_departures(score.protocol),
            f"{100 * score.value:.2f} %" + (f" ± {196 * score.stderr:.2f}" if score.stderr else ""),
            f"{score.n:,}{' (limited)' if score.is_limited else ''}" if score.n else "not said",
            *((_against_size(score.among_size),) if has_sizes else ()),
            _VERIFIED[score.is_verified].format(score.provider),
        )
        for number, score in enumerate(scores, 1)
    ]
    against = ("against its size",) if has_sizes else ()
    columns = ("", "protocol", "accuracy", "questions", *against, "from")
    return Table(f"MMLU-Pro scores known for {model}", columns, tuple(rows), numeric=False)


def score_sources(scores: Sequence[ScoreRecord]) -> list[str]:
    """Where each row of the table is from, and what should be known about it."""
    return [f"[{number}] {'; '.join(_about(score))}" for number, score in enumerate(scores, 1)]


def _about(score: ScoreRecord) -> list[str]:
    at_floor = AT_FLOOR if score.value <= FLOOR else None
    known = [score.date, score.source, score.dtype and f"in {score.dtype}", at_floor, score.set_apart, *score.notes]
    return list(dict.fromkeys(text for text in known if text))


def _against_size(place: AmongSize | None) -> Cell:
    """The residual in points, and what it was held against."""
    if place is None:
        return "–"
    low, high = (rounded_count(round(end)) for end in place.params_range)
    return (
        f"{100 * place.residual:+.1f} points (s.d. {100 * place.spread:.1f})",
        f"{place.n} {place.kind} models, {low}-{high}",
    )


def _at_departures(protocol: str) -> Cell:
    """The name, what departs from it on lines of its own."""
    name, *departures = protocol.split("+")
    return (name, *(f" +{departure}" for departure in departures))
