"""README.md of a rendered board: a Hub dataset card, so that the Hub's viewer and `load_dataset` find the table."""

from __future__ import annotations

from collections.abc import Sequence

from shape_audit.leaderboard.build.comparable import embedding_site
from shape_audit.leaderboard.build.few_windows import has_intervals
from shape_audit.leaderboard.page.shown_order import shown_rows
from shape_audit.leaderboard.page.tables import agreed_score
from shape_audit.records import Board, BoardRow
from shape_audit.reports import (
    Table,
    count,
    escaped,
    evidence_markdown,
    excess_with_interval,
    markdown_table,
    percent,
    rounded_count,
    significant,
    without_empty_columns,
)
from shape_audit.scores import FLOOR
from shape_audit.yardsticks import DEFAULT_YARDSTICK, shipped_yardstick

SHOWN = 50
"""Rows of the table in the card; the page and the files have all."""


def dataset_card(board: Board) -> str:
    """Markdown with the metadata block the Hub reads, and a final line end."""
    parts = [_metadata(board), f"# {escaped(board.title)}", _about(board), markdown_table(_table(board))]
    if len(board.rows) > SHOWN:
        parts.append(f"The first {SHOWN} of {len(board.rows):,} rows; all are in `table.parquet` and in `index.html`.")
    if board.evidence:
        parts += ["## What shape has to do with scores", _nested(evidence_markdown(board.evidence))]
    failed = [row for row in board.rows if row.failure]
    if failed:
        lines = "\n".join(f"- {escaped(row.model)}: {escaped(row.failure or '')}" for row in failed)
        parts += ["## Not audited", lines]
    if board.notes:
        parts += ["## Notes", "\n".join(f"- {escaped(note)}" for note in board.notes)]
    parts += ["## Files", _files()]
    return "\n\n".join(parts) + "\n"


def _metadata(board: Board) -> str:
    rows = len(board.rows)
    size = "n<1K" if rows < 1000 else "1K<n<10K" if rows < 10_000 else "10K<n<100K"
    return "\n".join(
        [
            "---",
            "configs:",
            "- config_name: default",
            "  data_files: table.parquet",
            "tags:",
            "- leaderboard",
            "- depth-width-ratio",
            "- shape-audit",
            "size_categories:",
            f"- {size}",
            "---",
        ]
    )


def _about(board: Board) -> str:
    inside = sum(row.side == "inside" for row in board.rows)
    measured = sum(row.measured is not None for row in board.rows)
    ends = " to ".join("open" if end is None else f"{end:.4f}" for end in (board.interval.low, board.interval.high))
    yardstick = shipped_yardstick(DEFAULT_YARDSTICK).description
    few = "" if has_intervals(board.rows) or not measured else ", on too few windows for intervals"
    return (
        f"{len(board.rows):,} language models by their depth-width ratio R_D/W = layers / hidden size, placed against "
        f"the interval {escaped(board.interval.name)} ({ends}; {escaped(board.interval.source)}): {inside} lie inside. "
        f"Cost is loss above that of the best shape at equal non-embedding parameters and tokens, by {yardstick}. "
        f"{measured} are measured in gradient space{few}. MMLU-Pro scores stand by protocol and are never pooled; at "
        f"or below {100 * FLOOR:.0f} % a score cannot be told from guessing. {escaped(_sentence(board.caveat))}"
    )


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:].rstrip('.')}."


def _table(board: Board) -> Table:
    protocols = tuple(board.protocols)
    rows = tuple(_cells(row, protocols) for row in shown_rows(board)[:SHOWN])
    measured = ("bits/byte", "width used", "AOFE-ratio")
    columns = ("model", "shape", "params", "R_D/W", "cost", "placement", *measured, *protocols)
    return without_empty_columns(Table("Models", columns, rows))


def _cells(row: BoardRow, protocols: Sequence[str]) -> tuple[str, ...]:
    if row.r_dw is None:
        return (row.model, "–", "–", "–", "–", row.placement, *("–" for _ in (*range(3), *protocols)))
    scores = (agreed_score(row, protocol) for protocol in protocols)
    site = embedding_site(row.measured) if row.measured else None
    return (
        row.model,
        f"{row.num_hidden_layers} × {count(row.hidden_size)}",
        "–" if row.params_total is None else rounded_count(row.params_total),
        f"{row.r_dw:.4f}",
        "–" if row.shape_cost is None else excess_with_interval(row.shape_cost, row.shape_cost_ci),
        row.placement,
        significant(row.measured.bits_per_byte if row.measured else None),
        percent(site.share_of_width if site else None),
        "–" if site is None or site.aofe_ratio is None else f"{site.aofe_ratio:.3f}",
        *("–" if score is None else f"{100 * score.value:.2f}" for score in scores),
    )


def _nested(markdown: str) -> str:
    """Headings one level down."""
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in markdown.rstrip("\n").split("\n"))


def _files() -> str:
    return "\n".join(
        [
            "- `table.parquet`, `table.csv`: one row a model; `score[PROTOCOL]` is empty where scores disagree.",
            "- `index.html`: the same to sort, filter and plot, without a network.",
            "- `board.json`: everything, with the source of each number; `sources.json`: what it was built from; "
            "`records/`: the audits.",
            "- `shape-audit leaderboard verify .` recomputes every derived number.",
        ]
    )
