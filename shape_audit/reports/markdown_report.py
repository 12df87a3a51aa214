"""The Markdown report of an audit: the terminal report's words and tables, for an issue or a model card."""

from __future__ import annotations

from shape_audit.records import AuditRecord
from shape_audit.reports.cost import cost_table
from shape_audit.reports.depth import depth_table, token_table
from shape_audit.reports.markdown_tables import escaped, markdown_table
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
from shape_audit.reports.width import width_table


def audit_markdown(record: AuditRecord) -> str:
    """Markdown with a final line end."""
    parts = [f"# {escaped(record.model.label)}", f"**{escaped(headline(record))}**"]
    parts += [escaped(sentence) for sentence in sentences(record)]
    made = [cost_table(record), shape_table(record), ledger_table(record), interaction_table(record)]
    made += [
        depth_table(record),
        width_table(record),
        token_table(record),
        energy_table(record),
        spectrum_table(record),
    ]
    parts += [markdown_table(table) for table in made if table is not None]
    if (weights := weights_table(record)) is not None:
        parts += [markdown_table(weights), escaped(WEIGHTS_CAVEAT)]
    if record.scores:
        parts += [
            markdown_table(scores_table(record.model.label, record.scores)),
            "\n".join(f"- {escaped(line)}" for line in (*score_sources(record.scores), MIND)),
        ]
    if record.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {escaped(note)}" for note in record.notes))
    parts.append(markdown_table(provenance_table(record)))
    return "\n\n".join(parts) + "\n"
