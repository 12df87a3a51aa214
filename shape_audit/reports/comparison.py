"""Several audits side by side, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shape_audit.records import AuditRecord
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.rich_tables import plain, rich_table
from shape_audit.reports.tables import comparison_table


def comparison_text(records: Sequence[AuditRecord]) -> RenderableType:
    """A table of all, then what is to be minded about them."""
    parts: list[RenderableType] = [rich_table(comparison_table(records)), Text()]
    return Group(*parts, *(Padding(plain(f"- {line}"), (0, 0, 0, 2)) for line in _warnings(records)))


def comparison_markdown(records: Sequence[AuditRecord]) -> str:
    """Markdown with a final line end."""
    lines = "\n".join(f"- {escaped(line)}" for line in _warnings(records))
    return f"{markdown_table(comparison_table(records))}\n\n{lines}\n"


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
