"""What has changed between two builds of a board."""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.leaderboard.page.tables import agreed_score
from shape_audit.records import Board, BoardRow

FACTS = ("revision", "num_hidden_layers", "hidden_size", "params_total", "side", "failure")


def differences(old: Board, new: Board) -> list[str]:
    """One line a change: rows that came or went, placements, scores and measurements that moved, the verdict."""
    before, after = ({row.model: row for row in board.rows} for board in (old, new))
    found = [f"- {model}: gone" for model in sorted(before.keys() - after.keys())]
    found += [
        f"+ {model}: new ({after[model].side or 'not audited'})" for model in sorted(after.keys() - before.keys())
    ]
    for model in sorted(before.keys() & after.keys()):
        found += [f"~ {model}: {line}" for line in _of_row(before[model], after[model], new.protocols)]
    if old.interval != new.interval:
        found.append(f"~ interval: {old.interval.name} -> {new.interval.name}")
    verdicts = [board.evidence[0].verdict if board.evidence else "none" for board in (old, new)]
    if verdicts[0] != verdicts[1]:
        found.append(f"~ verdict: {verdicts[0]} -> {verdicts[1]}")
    return found


def _of_row(old: BoardRow, new: BoardRow, protocols: list[str]) -> Iterator[str]:
    for name in FACTS:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"{name} {_shown(before)} -> {_shown(after)}"
    for protocol in protocols:
        before, after = (_score(row, protocol) for row in (old, new))
        if before != after:
            yield f"{protocol} {before} -> {after}"
    before, after = (_ratio(row) for row in (old, new))
    if before != after:
        yield f"AOFE-ratio at the first site {before} -> {after}"


def _shown(value: object) -> str:
    return "none" if value is None else value[:12] if isinstance(value, str) else f"{value:,}"


def _score(row: BoardRow, protocol: str) -> str:
    score = agreed_score(row, protocol)
    return "none" if score is None else f"{100 * score.value:.2f} %"


def _ratio(row: BoardRow) -> str:
    if row.measured is None or not row.measured.sites or row.measured.sites[0].aofe_ratio is None:
        return "none"
    return f"{row.measured.sites[0].aofe_ratio:.4f} ({row.measured.windows} windows)"
