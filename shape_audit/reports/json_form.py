"""Records as JSON."""

from __future__ import annotations

from pydantic import BaseModel

from shape_audit.escaping import json_text


def as_json(record: BaseModel) -> str:
    """Indented JSON of a record, with a final line end."""
    return json_text(record.model_dump_json(by_alias=True, indent=2))
