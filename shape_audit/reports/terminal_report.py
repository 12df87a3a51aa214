"""The terminal report of an audit: the verdict first, then the numbers, then where they come from."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shape_audit.interaction import MIN_WINDOWS
from shape_audit.records import AuditRecord
from shape_audit.reports.cost import cost_table
from shape_audit.reports.depth import DEPTH_LEGEND, depth_table, token_table
from shape_audit.reports.rich_tables import FittedTable, bullets, plain
from shape_audit.reports.scores import MIND, score_sources, scores_table
from shape_audit.reports.tables import (
    energy_table,
    interaction_table,
    ledger_table,
    provenance_table,
    shape_table,
    spectrum_table,
)
from shape_audit.reports.verdict import headline, sentences
from shape_audit.reports.weights_table import WEIGHTS_CAVEAT, weights_table
from shape_audit.reports.width import WIDTH_LEGEND, width_table

_COLUMNS = (
    "eff. rank: directions that gradients use. alignment: 0 where channels are as any "
    "basis would be, 1 where each acts alone. AOFE: energy of the average gradient outer product (AGOP) off its "
    "diagonal; AOFE-ratio: its share of all energy; random basis: what the ratio would be in one; plug-in: the ratio "
    "as published figures have it, biased upwards. The documentation (How channels interact) has the rest."
)
_MARK = {"inside": "●", "shallow-wide": "◀", "deep-narrow": "▶"}


def interaction_legend(record: AuditRecord) -> str:
    """What stands in the table of sites; that it has no intervals, where there were too few windows for any."""
    sites = record.interaction.sites if record.interaction else []
    has_intervals = any(site.effective_rank_ci or site.aofe_ratio_ci for site in sites)
    below = (
        "± half of the 95 % interval." if has_intervals else f"No intervals: they take {MIN_WINDOWS} windows or more."
    )
    return f"{below} {_COLUMNS}"


def audit_text(record: AuditRecord) -> RenderableType:
    """A report that says its verdict in words before it shows a number; colour never carries meaning alone."""
    side = record.placement.side
    mark = _MARK[side] if side is not None and record.shape.is_dense else "○"
    first, *others = (headline(record), *sentences(record))
    parts: list[RenderableType] = []
    if record.shape_cost:
        parts.append(plain(first, style="bold"))
        first, *others = others
    parts.append(plain(f"{mark} {first}", style="" if parts else "bold"))
    parts += [Padding(plain(sentence), (0, 0, 0, 2)) for sentence in others]
    tables = (
        (cost_table(record), ""),
        (shape_table(record), ""),
        (ledger_table(record), ""),
        (interaction_table(record), interaction_legend(record)),
        (depth_table(record), DEPTH_LEGEND),
        (width_table(record), WIDTH_LEGEND),
        (token_table(record), ""),
        (energy_table(record), ""),
        (spectrum_table(record), ""),
        (weights_table(record), WEIGHTS_CAVEAT),
    )
    for table, legend in tables:
        if table is not None:
            parts += [Text(), FittedTable(table), *([plain(legend, style="dim")] if legend else [])]
    if record.scores:
        parts += [Text(), FittedTable(scores_table(record.model.label, record.scores))]
        parts += [plain(line, style="dim") for line in (*score_sources(record.scores), MIND)]
    if record.notes:
        parts += [Text(), plain("Notes", style="bold"), *bullets(record.notes)]
    parts += [Text(), FittedTable(provenance_table(record))]
    return Group(*parts)
