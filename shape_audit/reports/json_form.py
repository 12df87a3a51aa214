"""Records as JSON."""

from __future__ import annotations

from pydantic import BaseModel


def as_json(record: BaseModel) -> str:
    """Indented JSON of a record, with a final line end."""
    return record.model_dump_json(by_alias=True, indent=2) + "\n"
