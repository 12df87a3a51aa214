"""JSON files of a model, from bytes nobody has checked yet."""

from __future__ import annotations

import json
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.hub.json_faults import why_not_json

MAX_CONTAINERS = 1_000_000
"""Lists and objects in a file: millions of empty ones would take gigabytes of memory."""


def parse_json_object(text: bytes, *, file: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        CorruptFileError: not UTF-8, not JSON, nested beyond reason, or no object.
    """
    if text.count(b"[") + text.count(b"{") > MAX_CONTAINERS:
        raise CorruptFileError(f"{file}: holds millions of lists or objects; the file is damaged")
    try:
        content = json.loads(text.decode("utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair can be parsed, and nothing else
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{file}: not valid JSON: {why_not_json(text, error)}") from error
    if not isinstance(content, dict):
        raise CorruptFileError(f"{file}: not a JSON object")
    return content
