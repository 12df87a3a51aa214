"""The files of a leaderboard folder -> the board. Nothing is measured here, and nothing is asked of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec

from shape_audit.auditing import AuditOptions, satisfies
from shape_audit.errors import MissingExtraError
from shape_audit.leaderboard.build.comparable import largest_comparable_set
from shape_audit.leaderboard.build.record_folder import KeptRecords
from shape_audit.leaderboard.build.rows import row_of_facts, row_of_failure, row_of_record, with_scores
from shape_audit.leaderboard.build.sources import Sources, names_shown
from shape_audit.leaderboard.manifest import Entry
from shape_audit.linking import (
    ModelFacts,
    Point,
    among_size,
    family_of,
    make_points,
    measured_of,
    nothing_to_link,
    why_unfit,
)
from shape_audit.records import AuditRecord, Board, BoardRow, Interval, LinkEvidence, Order, ScoreRecord
from shape_audit.scores import across_models, at_revision, published_scores
from shape_audit.shape import known_models, place

PACKAGES = ("statsmodels", "pyarrow")
NOT_AUDITED = "it has not been audited yet"


def assemble(sources: Sources, kept: KeptRecords) -> Board:
    """The board that its sources, the records of its folder and the shipped facts give.

    Raises:
        MissingExtraError: the extra `board` is not installed.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise MissingExtraError(f"a leaderboard needs {', '.join(missing)}; pip install 'shape-audit[board]'")
    manifest, interval = sources.manifest, sources.interval
    everywhere: dict[str, list[ScoreRecord]] = {}
    for score in [*(published_scores() if manifest.scores.published else ()), *sources.imported]:
        everywhere.setdefault(score.model.casefold(), []).append(score)
    wanted = manifest.audit_options()
    protocols = list(manifest.scores.protocols)
    rows: dict[str, BoardRow] = {}
    twice, set_apart = [], []
    unused: dict[str, list[str]] = {}
    for entry in sources.entries:
        model = entry.label
        record = _best(kept.of(entry), entry, wanted)
        row = _row(entry, record, interval)
        if row.model.casefold() in rows:
            twice.append(f"{entry.model}: it is {row.model}, which has a row")
            continue
        if record is not None:  # whose file may have its name by an older rule
            row = row.model_copy(update={"record": kept.names.get(record.record_sha256, row.record)})
        revision = record.model.revision if record else entry.revision
        imported = [at_revision(score, revision) for score in everywhere.get(model.casefold(), [])]
        known = [*imported, *_scores_of(record, sources, entry.model)]
        set_apart += [f"{model}: {score.source}: {score.set_apart}; not used" for score in known if score.set_apart]
        for why in _why_unused(known, protocols):
            unused.setdefault(why, []).append(model)
        scores = among_size(known, {model: float(row.params_total)} if row.params_total else None)
        rows[row.model.casefold()] = with_scores(row, _in_columns(scores, protocols))
    shown = list(rows.values())
    return Board(
        title=manifest.title,
        manifest_sha256=manifest.sha256,
        interval=interval,
        caveat=place(0.03, interval).caveat,
        protocols=protocols,
        order=manifest.order,
        rows=_ordered(shown, manifest.order, protocols[0]),
        evidence=_evidence(shown, interval, protocols[0], manifest.scores.draws),
        notes=[
            *(f"{line}; not used" for line in kept.damaged),
            *sources.passed_over,
            *twice,
            *(f"{why}: {names_shown(models)}; not used" for why, models in sorted(unused.items())),
            *dict.fromkeys(set_apart),
        ],
    )


def _scores_of(record: AuditRecord | None, sources: Sources, model: str) -> list[ScoreRecord]:
    """Those that an audit has found of its model, as far as the manifest asks for them; published ones are not the
    record's to tell. What stands in the repository is asked anew, and the record's where that could not be had."""
    found = (record.scores or []) if record else []
    own = [score for score in found if score.provider not in ("published", "posted")]
    if not sources.manifest.scores.posted:
        return own
    posted = sources.posted.get(model)
    return own + ([score for score in found if score.provider == "posted"] if posted is None else posted)


def _in_columns(scores: Sequence[ScoreRecord], protocols: Sequence[str]) -> list[ScoreRecord]:
    """Scores of the board's protocols; a column of `...+chat_template` takes runs with any model's own template."""
    found = []
    for score in scores:
        column = _column(score, protocols)
        if column == score.protocol:
            found.append(score)
        elif column is not None:
            found.append(score.model_copy(update={"protocol": column, "notes": [*score.notes, score.protocol]}))
    return found


def _column(score: ScoreRecord, protocols: Sequence[str]) -> str | None:
    return next((name for name in (score.protocol, across_models(score.protocol)) if name in protocols), None)


def _why_unused(scores: Sequence[ScoreRecord], protocols: Sequence[str]) -> list[str]:
    """Why runs of a model are no scores of the board, each reason once; those that are set apart say so themselves."""
    runs = [score for score in scores if score.provider in ("run", "import") and not score.set_apart]
    others = (score.protocol for score in runs if _column(score, protocols) is None)
    limited = ("limited runs" for score in runs if score.is_limited and _column(score, protocols))
    return list(dict.fromkeys([*(f"scores by {name}, none of the board's protocols" for name in others), *limited]))


def points_of(rows: Sequence[BoardRow], interval: Interval, protocol: str) -> tuple[list[Point], list[str]]:
    """Models of the board as `link` takes them, of any size, each with the scores of its row, and what was left out.
    Tuned ones are left out where fewer of them have a score than base models. Of what was measured, only what can be
    compared is with them."""
    comparable = largest_comparable_set(rows).rows
    facts = {
        row.model: ModelFacts(
            family=row.family or family_of(row.model),
            depth=row.num_hidden_layers or 0,
            width=row.hidden_size or 0,
            params=float(row.params_total) if row.params_total else None,  # with its depth and width, or none of them
            train_tokens=row.train_tokens,
            is_base=row.kind != "instruct",
            unfit=why_unfit(is_dense=row.side is not None, domain=row.domain, derived_from=row.derived_from),
            measured=measured_of(row.measured.sites) if row.measured and number in comparable else {},
            scores=tuple(row.scores),
        )
        for number, row in enumerate(rows)
    }
    scored = [facts[row.model].is_base for row in rows if any(score.protocol == protocol for score in row.scores)]
    base_only = 2 * sum(scored) >= len(scored)
    return make_points([], interval, protocol=protocol, params=None, base_only=base_only, facts=facts)


def why_no_evidence(board: Board) -> str:
    """How few models of a board without evidence are left for it, and why the others are not."""
    protocol = next(iter(board.protocols), "any protocol")
    points, left_out = points_of(board.rows, board.interval, protocol)
    return nothing_to_link(len(points), protocol, left_out)


def _row(entry: Entry, record: AuditRecord | None, interval: Interval) -> BoardRow:
    if record is not None:
        row = row_of_record(record, entry.group, interval)
    elif entry.label in known_models():
        row = row_of_facts(known_models()[entry.label], entry.group, interval)
    else:
        return row_of_failure(entry.label, entry.group, entry.failure or NOT_AUDITED)
    return row.model_copy(update={"failure": entry.failure}) if entry.failure else row


def _best(records: Sequence[AuditRecord], entry: Entry, wanted: AuditOptions) -> AuditRecord | None:
    """Of several records of a model: the one that the build found to answer; or those of the revision it was found at,
    or else of the latest audit, and of these what the manifest asks for, else a measured one, else any; the latest of
    those."""
    if answer := next((record for record in records if record.record_sha256 == entry.answer), None):
        return answer
    revision = entry.revision
    if revision is None and records:
        revision = max(records, key=lambda record: (record.environment.date, record.record_sha256)).model.revision
    records = [record for record in records if record.model.revision == revision]
    if len(records) == 1:
        return records[0]

    def rank(record: AuditRecord) -> tuple[bool, bool, str, str]:
        is_measured = record.interaction is not None
        return satisfies(record, wanted), is_measured, record.environment.date, record.record_sha256

    return max(records, key=rank, default=None)


def _ordered(rows: Sequence[BoardRow], order: Order, protocol: str) -> list[BoardRow]:
    """Rows in the manifest's order; what has no such value stands at the end, by name."""
    key = order.removeprefix("-")

    def value(row: BoardRow) -> float | str | None:
        if key == "score":
            values = [score.value for score in row.scores if score.protocol == protocol]
            return max(values, default=None)
        if key == "model":
            return row.model
        number = row.params_total if key == "params" else getattr(row, key)
        return number if number is None or math.isfinite(number) else None

    named = sorted(rows, key=lambda row: row.model)
    having = [row for row in named if value(row) is not None]
    having.sort(key=value, reverse=order.startswith("-"))  # type: ignore[arg-type]
    return having + [row for row in named if value(row) is None]


def _evidence(rows: Sequence[BoardRow], interval: Interval, protocol: str, draws: int) -> list[LinkEvidence]:
    from shape_audit.linking import LinkOptions, link_points  # brings numpy: not into every start of the program

    points, left_out = points_of(rows, interval, protocol)
    if len(points) < 2:
        return []
    return link_points(points, LinkOptions(protocol=protocol, interval=interval, draws=draws), left_out=left_out)
