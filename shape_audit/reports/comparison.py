"""Several audits side by side, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from shape_audit.records import AuditRecord, ShapeCost, names_apart
from shape_audit.reports.cost import first_cost, with_interval
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import percent, ratio, rounded_count, significant
from shape_audit.reports.rich_tables import FittedTable, bullets
from shape_audit.reports.tables import NONE, Cell, Table, without_empty_columns
from shape_audit.reports.width import depth_comparison

MOST_WITH_OTHERS = 2
"""Yardsticks beside which a terminal has room for what the first one says at equal time and in total."""
EXTRAPOLATED = "*: extrapolated, since the yardstick's models do not reach the model's size, R_D/W or training tokens."


def comparison_text(records: Sequence[AuditRecord]) -> RenderableType:
    """A table of all, then what is to be minded about them."""
    parts: list[RenderableType] = [FittedTable(comparison_table(records)), Text()]
    if (table := depth_comparison(records)) is not None:
        parts += [FittedTable(table), Text()]
    return Group(*parts, *bullets(_warnings(records)))


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
    if any(cost.extrapolates for record in records for cost in record.shape_cost or ()):
        lines.append(EXTRAPOLATED)
    measured = [record.calibration for record in records if record.calibration]
    if len({(text.text_sha256, text.seq_len) for text in measured}) > 1:
        lines.append("Not all were measured on the same text and window length: their numbers cannot be compared.")
    names = names_apart([record.model for record in records])
    return lines + [f"{name}: {note}" for name, record in zip(names, records, strict=True) for note in record.notes]


def comparison_table(records: Sequence[AuditRecord]) -> Table:
    """One row a model; of its interaction the first and the last site measured. What no model has gets no column."""
    is_measured = any(record.interaction for record in records)
    found: dict[str, list[Cell]] = {
        "model": [*names_apart([record.model for record in records])],
        "shape": [_shape(record) for record in records],
        "R_D/W": [_placement(record) for record in records],
        **_costs(records, with_others=not is_measured),
    }
    ends = [_ends_of_profile(record) for record in records]
    found |= {
        name: [of_record[number] for of_record in ends]
        for number, name in enumerate(("used", "alignment", "AOFE-ratio"))
    }
    found["bits/byte"] = [significant(record.loss.bits_per_byte) if record.loss else NONE for record in records]
    title = (
        "Side by side; cost of the shape in loss at equal non-embedding parameters and tokens, or as the column says"
    )
    if is_measured:
        title += "; share of the width that gradients use, first and last site"
    return without_empty_columns(Table(title, tuple(found), tuple(zip(*found.values(), strict=True))))


def _shape(record: AuditRecord) -> Cell:
    shape = record.shape
    return f"{shape.num_hidden_layers} × {shape.hidden_size:,}", rounded_count(shape.params_total)


def _placement(record: AuditRecord) -> Cell:
    side = record.placement.side if record.shape.is_dense else None
    return f"{record.shape.r_dw:.4f}", side or "not dense"


def _costs(records: Sequence[AuditRecord], *, with_others: bool) -> dict[str, list[Cell]]:
    """A column of costs for each yardstick that was asked.

    Args:
        with_others: of the first yardstick also at equal training time, and at equal total parameters.
    """
    asked = dict.fromkeys(cost.yardstick for record in records for cost in record.shape_cost or ())
    found: dict[str, list[Cell]] = {}
    for number, yardstick in enumerate(asked):
        name = yardstick if len(asked) > 1 else "cost"
        of_each = [[cost for cost in record.shape_cost or () if cost.yardstick == yardstick] for record in records]
        basis = next(costs[0].basis for costs in of_each if costs)
        other = "" if basis == "non-embedding" else f" ({basis})"
        found[name + other] = [_cost(first_cost(costs)) for costs in of_each]
        if with_others and number == 0 and len(asked) <= MOST_WITH_OTHERS:
            timed = [[cost for cost in costs if cost.basis == basis] for costs in of_each]
            found["equal time"] = [_cost(first_cost(costs, "training-time")) for costs in timed]
            in_total = [[cost for cost in costs if cost.basis == "total" != basis] for costs in of_each]
            found["equal total"] = [_cost(first_cost(costs)) for costs in in_total]
    return found


def _ends_of_profile(record: AuditRecord) -> tuple[Cell, Cell, Cell]:
    if record.interaction is None:
        return NONE, NONE, NONE
    sites = record.interaction.sites
    ends = [sites[0], sites[-1]] if len(sites) > 1 else sites
    return (
        tuple(percent(site.share_of_width) for site in ends),
        tuple(ratio(site.channel_alignment) for site in ends),
        tuple(ratio(site.aofe_ratio) for site in ends),
    )


def _cost(cost: ShapeCost | None) -> Cell:
    if cost is None:
        return NONE
    value, bracket, ends = with_interval(cost).partition(" [")
    value += " *" if cost.extrapolates else ""
    return (value, "[" + ends) if bracket else value
