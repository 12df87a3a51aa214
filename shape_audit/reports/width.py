"""How much of its width a model uses: a sentence, a table, and several models at equal relative depth."""

from __future__ import annotations

from collections.abc import Sequence

from shape_audit.records import AuditRecord, BlockUse, SiteUse, names_apart
from shape_audit.reports.numbers import half_width, percent, ratio, significant
from shape_audit.reports.tables import Cell, Table

WIDTH_LEGEND = (
    "Without each window's first position. stream: effective rank of what the stream carries; centred: without its "
    "mean; unit: at length 1. matter: functional rank, directions that are active and change the loss, equal in every "
    "basis. above noise: directions whose strength exceeds that share of a channel's."
)
DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Relative depths at which models are compared."""


def width_sentence(record: AuditRecord) -> str | None:
    """The least and the most that sites use; None where the width was not asked for."""
    known = [site for site in (record.use.sites or () if record.use else ()) if site.functional_rank is not None]
    if record.use is None or record.use.functional_share is None or not known:
        return None
    least, most = (choose(known, key=_share) for choose in (min, max))
    width, share = known[0].width, percent(record.use.functional_share)
    if least is most:
        return f"Of {width:,} directions {_rank(most)} are both active and matter to the loss at {most.name}: {share}."
    return (
        f"Of {width:,} directions {_rank(least)} ({least.name}) to {_rank(most)} ({most.name}) are both active and "
        f"matter to the loss: {share} at the median site."
    )


def _share(site: SiteUse) -> float:
    return (site.functional_rank or 0.0) / site.width


def _rank(site: SiteUse) -> str:
    return significant(site.functional_rank, 2)


def width_table(record: AuditRecord) -> Table | None:
    """One row a site; None where the width was not asked for."""
    sites = record.use.sites if record.use else None
    if not sites:
        return None
    noises = [step.noise for step in sites[0].rank_staircase]
    columns = ("site", "stream", "centred", "unit", "matter", *(f"above {noise:g}" for noise in noises))
    rows = tuple(
        (
            site.name,
            _stacked(site.activation_effective_rank, site.activation_effective_rank_ci),
            _stacked(site.activation_effective_rank_centred, site.activation_effective_rank_centred_ci),
            _stacked(site.activation_effective_rank_unit, site.activation_effective_rank_unit_ci),
            _stacked(site.functional_rank, site.functional_rank_ci),
            *(significant(step.directions) for step in site.rank_staircase),
        )
        for site in sites
    )
    return Table(f"Width: directions of {sites[0].width:,}", columns, rows)


def depth_comparison(records: Sequence[AuditRecord]) -> Table | None:
    """Blocks of several models at equal relative depth; None where fewer than two were measured."""
    measured = [record for record in records if record.use is not None and record.use.blocks]
    if len(measured) < 2:
        return None
    rows = tuple((percent(depth), *(_at(record, depth) for record in measured)) for depth in DEPTHS)
    return Table(
        "Block by block at equal relative depth: influence on the stream; on the gradient; width that matters",
        ("depth", *names_apart([record.model for record in measured])),
        rows,
    )


def _at(record: AuditRecord, depth: float) -> Cell:
    """Of the block that a relative depth lies in."""
    assert record.use is not None
    blocks = record.use.blocks
    block: BlockUse = blocks[min(int(depth * len(blocks)), len(blocks) - 1)]
    site = next((site for site in record.use.sites or () if site.name == block.name), None)
    share = None if site is None or site.functional_rank is None else _share(site)
    return (ratio(block.block_influence), ratio(block.gradient_influence), percent(share))


def _stacked(value: float | None, interval: tuple[float, float] | None) -> Cell:
    if value is None or interval is None:
        return significant(value)
    half = (interval[1] - interval[0]) / 2
    return significant(value), f"±{significant(half, 2)}" if half >= 0.0005 else half_width(interval)
