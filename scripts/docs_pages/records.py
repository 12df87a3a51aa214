"""Reference of the records: every key, its type and meaning, from the models that write them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from scripts.docs_pages.markdown import cell, table
from shape_audit.records import AuditRecord, CheckReport, IntervalDerivation, ShapeSuggestion, SweepPlan, SweepRow

FOLDER = "reference/records"
LEAD = """# Records

Every audit leaves one JSON record; `--format json` prints it. The pages here are made from the models that write the
records, as `shape-audit schema` prints them in JSON Schema. Keys are a promise: see
[versioning](../../versioning.md). Absent parts are null. Equal inputs give equal records, bit for bit on a CPU, except
for `environment`."""

RESULTS: dict[str, tuple[str, type[BaseModel]]] = {
    "audit": ("shape-audit audit --format json", AuditRecord),
    "check": ("shape-audit check --format json", CheckReport),
    "suggest": ("shape-audit suggest --format json", ShapeSuggestion),
    "interval": ("shape-audit interval --format json", IntervalDerivation),
    "sweep-plan": ("shape-audit sweep run --plan --format json", SweepPlan),
    "sweep-row": ("a line of a sweep's table", SweepRow),
}


def pages() -> dict[str, str]:
    """Path -> Markdown: what there is, then a page a result."""
    rows = [(f"[{name}]({name}.md)", f"`{command}`") for name, (command, _) in RESULTS.items()]
    index = f"{LEAD}\n\n{table(('result', 'command'), rows)}\n"
    made = {f"{FOLDER}/{name}.md": _page(name, model) for name, (_, model) in RESULTS.items()}
    return {f"{FOLDER}/index.md": index} | made


def _page(name: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    parts = [f"# The {name} record", _keys(schema)]
    for part, inner in schema.get("$defs", {}).items():
        parts += [f"## {part}", _keys(inner)]
    return "\n\n".join(parts) + "\n"


def _keys(schema: dict[str, Any]) -> str:
    """What an object is, and its keys; of a choice of words, the words."""
    prose = cell(schema.get("description", ""))
    if "properties" not in schema:
        return "\n\n".join(filter(None, (prose, _type(schema))))
    keys = schema["properties"].items()
    rows = [(f"`{key}`", _type(value), cell(value.get("description", ""))) for key, value in keys]
    return "\n\n".join(filter(None, (prose, table(("key", "type", "meaning"), rows))))


def _type(value: dict[str, Any]) -> str:
    """The type of a key, with a link where it is an object of its own."""
    match value:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": kinds}:
            return " or ".join(map(_type, kinds))
        case {"enum": words}:
            return ", ".join(f"`{word!s}`" for word in words)
        case {"const": word}:
            return f"`{word!s}`"
        case {"type": "array", "prefixItems": members}:
            return f"list of {len(members)}: {', '.join(map(_type, members))}"
        case {"type": "array", "items": member}:
            return f"list of {_type(member)}"
        case {"type": "object", "additionalProperties": dict(member)}:
            return f"object of {_type(member)}"
    return str(value.get("type", "any"))
