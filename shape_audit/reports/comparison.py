"""Several audits side by side, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shape_audit.records import AuditRecord, ShapeCost
from shape_audit.reports.cost import first_cost, with_interval
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import percent, ratio, rounded_count, significant
from shape_audit.reports.rich_tables import plain, rich_table
from shape_audit.reports.tables import Cell, Table
from shape_audit.reports.width import depth_comparison


def comparison_text(records: Sequence[AuditRecord]) -> RenderableType:
    """A table of all, then what is to be minded about them."""
    parts: list[RenderableType] = [rich_table(comparison_table(records)), Text()]
    if (table := depth_comparison(records)) is not None:
        parts += [rich_table(table), Text()]
    return Group(*parts, *(Padding(plain(f"- {line}"), (0, 0, 0, 2)) for line in _warnings(records)))


def comparison_markdown(records: Sequence[AuditRecord]) -> str:
    """Markdown with a final line end."""
    lines = "\n".join(f"- {escaped(line)}" for line in _warnings(records))
    tables = [comparison_table(records), depth_comparison(records)]
    return "\n\n".join([*(markdown_table(table) for table in tables if table is not None), lines]) + "\n"


def _warnings(records: Sequence[AuditRecord]) -> list[str]:
    """The caveats of the placements, once each, and the notes of every model."""
    lines = [
        f"A coordinate, not a grade: {caveat}."
        for caveat in dict.fromkeys(record.placement.caveat for record in records if record.shape.is_dense)
    ]
    measured = [record.calibration for record in records if record.calibration]
    if len({(text.text_sha256, text.seq_len) for text in measured}) > 1:
        lines.append("Not all were measured on the same text and window length: their numbers cannot be compared.")
    return lines + [f"{record.model.repo_id}: {note}" for record in records for note in record.notes]


def comparison_table(records: Sequence[AuditRecord]) -> Table:
    """One row a model; of its interaction the first and the last site measured."""
    rows = tuple(
        (
            record.model.repo_id,
            (
                f"{record.shape.num_hidden_layers} × {record.shape.hidden_size:,}",
                rounded_count(record.shape.params_total),
            ),
            (
                f"{record.shape.r_dw:.4f}",
                record.placement.side if record.shape.is_dense and record.placement.side else "not dense",
            ),
            "–" if cost is None else _cost(cost),
            *_ends_of_profile(record),
            significant(record.loss.bits_per_byte) if record.loss else "–",
        )
        for record in records
        for cost in [first_cost(record.shape_cost)]
    )
    columns = ("model", "shape", "R_D/W", "cost", "used", "alignment", "AOFE-ratio", "bits/byte")
    return Table(
        "Side by side; cost in loss of the shape; share of the width that gradients use, first and last site",
        columns,
        rows,
    )


def _ends_of_profile(record: AuditRecord) -> tuple[Cell, Cell, Cell]:
    if record.interaction is None:
        return "–", "–", "–"
    sites = record.interaction.sites
    ends = [sites[0], sites[-1]] if len(sites) > 1 else sites
    return (
        tuple(percent(site.share_of_width) for site in ends),
        tuple(ratio(site.channel_alignment) for site in ends),
        tuple(ratio(site.aofe_ratio) for site in ends),
    )


def _cost(cost: ShapeCost) -> Cell:
    value, bracket, ends = with_interval(cost).partition(" [")
    return (value, "[" + ends) if bracket else value
