"""Whether a leaderboard folder is what it says: every derived number again from the records, each file from those."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from shape_audit.auditing import AuditOptions, Progress, audit
from shape_audit.errors import CorruptFileError, IncompleteError, ShapeAuditError
from shape_audit.leaderboard.assembling import assemble
from shape_audit.leaderboard.board_folder import BOARD_FILE, read_board
from shape_audit.leaderboard.record_folder import read_records
from shape_audit.leaderboard.rendering import FILES
from shape_audit.leaderboard.sources import kept_sources
from shape_audit.records import AuditRecord, Board, BoardRow, read_small_file

ROUNDING = 1e-5
"""Relative: what another machine, micro-batch or number of threads may change."""


def verify(folder: Path) -> list[str]:
    """What does not fit, one line each; nothing where the folder is what it says.

    Raises:
        IncompleteError: there is no board, or its sources cannot be read.
    """
    try:
        board = read_board(folder)
        sources = kept_sources(folder)
    except CorruptFileError as error:
        return [str(error)]
    found = [f"{line}" for line in read_records(folder).damaged]
    found += [f"{model} has {count} rows" for model, count in Counter(r.model for r in board.rows).items() if count > 1]
    if board.manifest_sha256 != sources.manifest.sha256:
        found.append(f"{BOARD_FILE} was built from another manifest than the one beside it")
    found += _differences(board, assemble(sources, folder))
    for name, content in FILES.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing; run shape-audit leaderboard render")
        elif read_small_file(path, limit=2**30) != content(board):
            found.append(f"{name} is not what {BOARD_FILE} gives; run shape-audit leaderboard render")
    return found


def _differences(board: Board, again: Board) -> Iterator[str]:
    """Where the kept board and the one worked out again differ, row by row and field by field."""
    rows, rows_again = ({row.model: row for row in one.rows} for one in (board, again))
    for model in rows.keys() | rows_again.keys():
        if model not in rows_again:
            yield f"{model}: a row that neither the manifest nor a record gives"
        elif model not in rows:
            yield f"{model}: its row is missing"
    for model in sorted(rows.keys() & rows_again.keys()):
        kept, expected = rows[model].model_dump(), rows_again[model].model_dump()
        for name in kept:
            if kept[name] != expected[name]:
                yield f"{model}: {name} is {_short(kept[name])}, and should be {_short(expected[name])}"
    if [row.model for row in board.rows] != [row.model for row in again.rows] and rows.keys() == rows_again.keys():
        yield "the rows do not stand in the manifest's order"
    for name in ("title", "interval", "caveat", "protocols", "evidence", "notes"):
        if getattr(board, name) != getattr(again, name):
            yield f"{name}: not what the records give"


def remeasure(folder: Path, count: int, *, seed: int = 0, progress: Progress | None = None) -> tuple[list[str], int]:
    """Measure random rows again, as they were measured, and compare.

    Returns:
        What does not fit, one line each; and how many rows were measured.

    Raises:
        IncompleteError: there is no board, or none of its rows is measured.
    """
    board, sources = read_board(folder), kept_sources(folder)
    records = {record.record_sha256: record for kept in read_records(folder).by_model.values() for record in kept}
    measured = [row for row in board.rows if row.measured is not None and row.record_sha256 in records]
    if not measured:
        raise IncompleteError(f"{folder}: no row of this board is measured")
    chosen = random.Random(seed).sample(measured, min(count, len(measured)))
    names = {entry.model: entry.name for entry in sources.entries}
    found = []
    for row in chosen:
        record = records[row.record_sha256 or ""]
        try:
            again = audit(_at_revision(names[row.model], record), _options(record, sources.manifest.audit_options()),
                          progress=progress)  # fmt: skip
        except ShapeAuditError as error:
            found.append(f"{row.model}: could not be measured again: {error}")
        else:
            found += _compare(row, again)
    return found, len(chosen)


def _at_revision(name: str, record: AuditRecord) -> str:
    return f"{record.model.repo_id}@{record.model.revision}" if record.model.source == "hub" else name


def _options(record: AuditRecord, asked: AuditOptions) -> AuditOptions:
    """As many windows as the record has, whatever tolerance it was made with."""
    assert record.interaction is not None
    return replace(asked, tolerance=None, max_windows=None, windows=record.interaction.windows_used)


def _compare(row: BoardRow, again: AuditRecord) -> Iterator[str]:
    """Numbers that are further apart than their intervals and rounding allow."""
    assert row.measured is not None
    sites = {site.name: site for site in again.interaction.sites} if again.interaction else {}
    if row.revision != again.model.revision:
        yield f"{row.model}: it is at {again.model.revision[:12]} now, and was measured at {(row.revision or '')[:12]}"
    for site in row.measured.sites:
        other = sites.get(site.name)
        if other is None or site.aofe_ratio is None or other.aofe_ratio is None:
            yield f"{row.model}: {site.name} has no AOFE-ratio to compare"
            continue
        low, high = site.aofe_ratio_ci or (site.aofe_ratio, site.aofe_ratio)
        slack = ROUNDING * abs(site.aofe_ratio)
        if not low - slack <= other.aofe_ratio <= high + slack:
            yield (
                f"{row.model}: AOFE-ratio at {site.name} is {other.aofe_ratio:.5f} when measured again, outside "
                f"{low:.5f} to {high:.5f}"
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
