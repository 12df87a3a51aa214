"""Whether a leaderboard folder is what it says: every derived number again from the records, each file from those."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from shape_audit.auditing import AuditOptions, Progress, audit
from shape_audit.errors import CorruptFileError, IncompleteError, ShapeAuditError
from shape_audit.leaderboard.build.assembling import assemble
from shape_audit.leaderboard.build.board_folder import BOARD_FILE, RECORDS, is_kept_path, read_board
from shape_audit.leaderboard.build.record_folder import read_records
from shape_audit.leaderboard.build.sources import kept_sources
from shape_audit.leaderboard.page.rendering import FILES, stray_figures
from shape_audit.places import Url, place_of
from shape_audit.records import AuditRecord, Board, BoardRow, read_small_file, record_file_name
from shape_audit.storage import working_copy

ROUNDING = 1e-3
"""Relative: what another machine, micro-batch, number of threads or bfloat16 kernel may change. Not the numbers' own
intervals: those are about other text, and whoever invents a number can invent a wide one."""
SLACK = 0.1
"""By which the correction of its bias may take an AOFE-ratio out of 0 to 1 that is not flagged as noise."""
NAMED = 3
"""Differing values that are named for each field of a row."""
NUMBERS = ("aofe_ratio", "aofe_ratio_plugin", "aofe_normalized", "mean_cos2", "trace")


def verify(folder: Path | Url | str) -> list[str]:
    """What does not fit, one line each; nothing where the folder is what it says.

    Raises:
        IncompleteError: there is no board, or its sources cannot be read.
    """
    with working_copy(folder, is_kept_path) as copy:
        return _faults(copy.folder)


def _faults(folder: Path) -> list[str]:
    try:
        board = read_board(folder)
        sources = kept_sources(folder)
    except CorruptFileError as error:
        return [str(error)]
    kept = read_records(folder)
    found = [*kept.damaged, *_impossible(record for records in kept.by_model.values() for record in records)]
    found += [f"{model} has {count} rows" for model, count in Counter(r.model for r in board.rows).items() if count > 1]
    if board.manifest_sha256 != sources.manifest.sha256:
        found.append(f"{BOARD_FILE} was built from another manifest than the one beside it")
    found += _missing_records(board, folder)
    found += _differences(board, assemble(sources, kept))
    for name, content in FILES.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing; run shape-audit leaderboard render")
        elif read_small_file(path, limit=2**30) != content(board):
            found.append(f"{name} is not what {BOARD_FILE} gives; run shape-audit leaderboard render")
    if stray := stray_figures(board, folder):
        are = "a figure" if len(stray) == 1 else f"{len(stray)} figures"
        found.append(f"{are} of evidence that {BOARD_FILE} does not have; run shape-audit leaderboard render")
    return found


def _missing_records(board: Board, folder: Path) -> Iterator[str]:
    for row in board.rows:
        if row.record is not None and not (folder / RECORDS / row.record).is_file():
            yield f"{RECORDS}/{row.record} is missing, the audit of {row.model}"


def _impossible(records: Iterable[AuditRecord]) -> Iterator[str]:
    """What no audit gives, whatever its hash says: such a record was made by hand."""
    for record in records:
        shape = record.shape
        name = f"{RECORDS}/{record_file_name(record)}"
        if shape.num_hidden_layers < 1 or shape.hidden_size < 1 or shape.params_total < 1:
            yield f"{name}: a shape that cannot be"
        elif not math.isclose(shape.r_dw, shape.num_hidden_layers / shape.hidden_size, rel_tol=1e-9):
            yield f"{name}: R_D/W is not layers / hidden size"
        if record.interaction is None:
            continue
        if not record.interaction.sites:
            yield f"{name}: measured at no site"
        for site in record.interaction.sites:
            ratio, plugin = site.aofe_ratio, site.aofe_ratio_plugin
            is_far = ratio is not None and not site.below_noise_floor and not -SLACK <= ratio <= 1 + SLACK
            if is_far or (plugin is not None and not 0 <= plugin <= 1):
                yield f"{name}: an AOFE-ratio at {site.name} that cannot be"


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
            changed = [*_changes(name, kept[name], expected[name])]
            for place, was, now in changed[:NAMED]:
                yield f"{model}: {place} is {_short(was)}, and should be {_short(now)}"
            if len(changed) > NAMED:
                yield f"{model}: {len(changed) - NAMED} more values of {name} differ"
    if [row.model for row in board.rows] != [row.model for row in again.rows] and rows.keys() == rows_again.keys():
        yield "the rows do not stand in the manifest's order"
    for name in ("title", "interval", "caveat", "protocols", "order", "evidence", "notes"):
        if getattr(board, name) != getattr(again, name):
            yield f"{name}: not what the records give"


def _changes(place: str, kept: Any, expected: Any) -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ, as deep as they are built alike (`measured.sites[0].aofe_ratio`), and both of them."""
    if isinstance(kept, dict) and isinstance(expected, dict) and kept.keys() == expected.keys():
        for key in kept:
            yield from _changes(f"{place}.{key}", kept[key], expected[key])
    elif isinstance(kept, list) and isinstance(expected, list) and len(kept) == len(expected):
        for number, pair in enumerate(zip(kept, expected, strict=True)):
            yield from _changes(f"{place}[{number}]", *pair)
    elif kept != expected:
        yield place, kept, expected


def remeasure(
    folder: Path | Url | str, count: int, *, seed: int = 0, progress: Progress | None = None
) -> tuple[list[str], int]:
    """Measure random rows again, as they were measured, and compare.

    Returns:
        What does not fit, one line each; and how many rows were measured.

    Raises:
        IncompleteError: there is no board, or none of its rows is measured.
    """
    with working_copy(folder, is_kept_path) as copy:
        board, sources = read_board(copy.folder), kept_sources(copy.folder)
        kept = [record for found in read_records(copy.folder).by_model.values() for record in found]
    records = {record.record_sha256: record for record in kept}
    measured = [row for row in board.rows if row.measured is not None and row.record_sha256 in records]
    if not measured:
        raise IncompleteError(f"{place_of(folder)}: no row of this board is measured")
    chosen = random.Random(seed).sample(measured, min(count, len(measured)))
    names = {entry.label: entry.name for entry in sources.entries}
    found = []
    for row in chosen:
        record = records[row.record_sha256 or ""]
        try:
            again = audit(_at_revision(names[row.model], record), _options(record, sources.manifest.audit_options()),
                          progress=progress)  # fmt: skip
        except ShapeAuditError as error:
            found.append(f"{row.model}: could not be measured again: {error}")
        else:
            found += _compare(row, record, again)
    return found, len(chosen)


def _at_revision(name: str, record: AuditRecord) -> str:
    return f"{record.model.repo_id}@{record.model.revision}" if record.model.source == "hub" else name


def _options(record: AuditRecord, asked: AuditOptions) -> AuditOptions:
    """As many windows as the record has, whatever tolerance it was made with."""
    assert record.interaction is not None
    return asked.but(tolerance=None, max_windows=None, windows=record.interaction.windows_used)


def _compare(row: BoardRow, record: AuditRecord, again: AuditRecord) -> Iterator[str]:
    """Numbers that differ by more than rounding: the same windows give the same numbers."""
    model = row.model
    if row.revision != again.model.revision:
        yield f"{model}: it is at {again.model.revision[:12]} now, and was measured at {(row.revision or '')[:12]}"
    if record.shape != again.shape:
        yield f"{model}: its shape is another one when audited again"
    assert record.interaction is not None and again.interaction is not None
    kept, sites = ({site.name: site for site in one.interaction.sites} for one in (record, again) if one.interaction)
    if kept.keys() != sites.keys():
        yield f"{model}: measured at {len(kept)} sites, and at {len(sites)} when measured again"
    losses = [one.loss.nats_per_token if one.loss else None for one in (record, again)]
    pairs: list[tuple[str, float | None, float | None]] = [("nats per token", losses[0], losses[1])]
    for site in sorted(kept.keys() & sites.keys()):
        before, after = kept[site], sites[site]
        pairs += [(f"{name} at {site}", getattr(before, name), getattr(after, name)) for name in NUMBERS]
    for what, was, now in pairs:
        if not _agree(was, now):
            yield f"{model}: {what} is {_number(now)} when measured again, and {_number(was)} in the record"


def _agree(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    return math.isclose(before, after, rel_tol=ROUNDING, abs_tol=1e-9)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
