"""What has changed between two builds of a board."""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.leaderboard.page.tables import agreed_score, scores_of
from shape_audit.records import Board, BoardRow, Interval
from shape_audit.reports import significant

FACTS = ("group", "revision", "num_hidden_layers", "hidden_size", "params_total", "placement", "failure")


def differences(old: Board, new: Board) -> list[str]:
    """One line a change: rows that came or went, placements, scores and measurements that moved, the verdict."""
    before, after = ({row.model: row for row in board.rows} for board in (old, new))
    found = [f"- {model}: gone" for model in sorted(before.keys() - after.keys())]
    found += [f"+ {model}: new ({after[model].placement})" for model in sorted(after.keys() - before.keys())]
    for model in sorted(before.keys() & after.keys()):
        found += [f"~ {model}: {line}" for line in _of_row(before[model], after[model], new.protocols)]
    if old.interval != new.interval:
        found.append(f"~ interval: {_interval(old.interval)} -> {_interval(new.interval)}")
    found += [
        f"~ {name}: {_shown(before)} -> {_shown(after)}"
        for name in ("title", "order", "protocols")
        if (before := getattr(old, name)) != (after := getattr(new, name))
    ]
    verdicts = [board.evidence[0].verdict if board.evidence else "none" for board in (old, new)]
    if verdicts[0] != verdicts[1]:
        found.append(f"~ verdict: {verdicts[0]} -> {verdicts[1]}")
    return found


def _of_row(old: BoardRow, new: BoardRow, protocols: list[str]) -> Iterator[str]:
    for name in FACTS:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            short = name == "revision"
            yield f"{name} {_shown(before, short=short)} -> {_shown(after, short=short)}"
    for protocol in protocols:
        before, after = (_score(row, protocol) for row in (old, new))
        if before != after:
            yield f"{protocol} {before} -> {after}"
    before, after = (_ratio(row) for row in (old, new))
    if before != after:
        yield f"AOFE-ratio at the first site {before} -> {after}"
    elif old.measured != new.measured:
        yield "other measurements than before"


def _shown(value: object, *, short: bool = False) -> str:
    if value is None or isinstance(value, str):
        return (value or "none")[: 12 if short else None]
    return ", ".join(value) if isinstance(value, list) else f"{value:,}"


def _interval(interval: Interval) -> str:
    return f"{interval.name} [{significant(interval.low)}, {significant(interval.high)}]"


def _score(row: BoardRow, protocol: str) -> str:
    score, known = agreed_score(row, protocol), len(scores_of(row, protocol))
    if score is None:
        return f"{known} that disagree" if known else "none"
    return f"{100 * score.value:.2f} %"


def _ratio(row: BoardRow) -> str:
    if row.measured is None or not row.measured.sites or row.measured.sites[0].aofe_ratio is None:
        return "none"
    return f"{row.measured.sites[0].aofe_ratio:.4f} ({row.measured.windows} windows)"
