"""What a model does with its depth, and how crowded its token vectors are: a sentence and two tables."""

from __future__ import annotations

from itertools import groupby

from shape_audit.records import AuditRecord, BlockUse, DepthSummary, MatrixSuperposition
from shape_audit.reports.numbers import half_width, ratio, significant
from shape_audit.reports.tables import Cell, Table

DEPTH_LEGEND = (
    "Without each window's first position (the record has both). influence: 1 - cosine between the stream before and "
    "after the block (ShortGPT). update: length of what it adds, of the stream's. gradient: how much it changes the "
    "gradient that passes. saving: to first order what the loss, in nats a token, rises by without it."
)


def skip_sentence(record: AuditRecord) -> str | None:
    """What leaving blocks out has shown; None where none was."""
    summary = record.use.summary if record.use else None
    if record.use is None or summary is None:
        return None
    total, cheap = sum(block.skip_loss is not None for block in record.use.blocks), summary.cheap_blocks
    raising = {0: "none raises", 1: "one raises"}.get(len(cheap), f"{len(cheap)} raise")
    where = f" ({_runs(record.use.blocks, cheap)})" if cheap else ""
    spans = "".join(
        f" {span.first} to {span.last} together cost {significant(span.skip_loss, 2)} nats a token, the least of the "
        "spans tried."
        for span in summary.spans
    )
    return (
        f"Of {total} blocks {raising} the loss by less than 1 % when left out alone{where}, over {summary.windows} "
        f"windows.{spans} {_ranking(summary)}That a block can be left out is no proof that it is a waste."
    )


def _ranking(summary: DepthSummary) -> str:
    """Which of the numbers that cost nothing extra ranks blocks best, and how well."""
    known = {name: value for name, value in summary.rank_correlations.items() if value is not None}
    if not known:
        return ""
    best = max(known, key=lambda name: known[name])
    return f"Of the cheap measures {best.replace('_', ' ')} ranks blocks best (Spearman {known[best]:+.2f}). "


def _runs(blocks: list[BlockUse], names: list[str]) -> str:
    """Names of blocks, consecutive ones as a range."""
    numbers = [i for i, block in enumerate(blocks) if block.name in names]
    groups = [[i for _, i in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"blocks {run[0]}-{run[-1]}" if len(run) > 1 else f"block {run[0]}" for run in groups)


def depth_table(record: AuditRecord) -> Table | None:
    """One row a block; None where nothing is known of the depth."""
    if record.use is None:
        return None
    has_skipped = record.use.summary is not None

    def row(block: BlockUse) -> tuple[Cell, ...]:
        cells: tuple[Cell, ...] = (
            block.name,
            _stacked(block.block_influence, block.block_influence_ci),
            _stacked(block.update_size, block.update_size_ci),
            _stacked(block.gradient_influence, block.gradient_influence_ci),
            _stacked(block.first_order_saving, block.first_order_saving_ci),
        )
        return (*cells, _stacked(block.skip_loss, block.skip_loss_ci)) if has_skipped else cells

    columns = ("block", "influence", "update", "gradient", "saving", *(("left out",) if has_skipped else ()))
    return Table("Depth", columns, tuple(map(row, record.use.blocks)))


def token_table(record: AuditRecord) -> Table | None:
    """How crowded token vectors are; None where that is not known."""
    if record.superposition is None:
        return None
    matrices = {"embedding": record.superposition.embedding, "unembedding": record.superposition.unembedding}
    rows = tuple((name, *_cells(matrix)) for name, matrix in matrices.items() if matrix is not None)
    columns = ("token vectors", "mean cosine", "ε", "d·E cos²", "capacity", "WᵀW ratio", "random basis")
    return Table("Token vectors", columns, rows) if rows else None


def _cells(matrix: MatrixSuperposition) -> tuple[str, ...]:
    return (
        ratio(matrix.mean_cosine),
        ratio(matrix.epsilon),
        significant(matrix.mean_cosine2_times_width),
        "indeterminate" if matrix.capacity is None else significant(matrix.capacity, 2),
        ratio(matrix.wtw_aofe_ratio),
        ratio(matrix.wtw_aofe_ratio_random_basis),
    )


def _stacked(value: float | None, interval: tuple[float, float] | None) -> Cell:
    return "–" if value is None else (ratio(value), half_width(interval)) if interval else ratio(value)
