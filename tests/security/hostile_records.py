"""Records in which every text that may be any text tries to be something else."""

from typing import Any, TypeVar

from pydantic import BaseModel

SCRIPT = '<img src=x onerror="window.hacked=1"></script><script>window.hacked=1</script>'
HOSTILE = (
    f"=1+1\x1b]0;title\x07\x1b[31m\x9b31m\u202eback\u2066 {SCRIPT} &lt;img src=y onerror=window.hacked=1&gt;\r\n"
    "::error file=a,title=b::c\n##[error]d\n\n# head\n- [link](javascript:window.hacked=1) ![i](x) `*_~|%0A,"
)
KEPT = {"rule", "rules_run", "rules_not_run"}
"""Ids of rules, which formats look up: they are the program's own."""

Record = TypeVar("Record", bound=BaseModel)


def hostile(record: Record, *, kept: frozenset[str] = frozenset()) -> Record:
    """The same record with `HOSTILE` in every field that takes any text, absent ones too.

    Args:
        kept: names of more fields that stay as they are.
    """
    changed = {
        name: _hostile(getattr(record, name), field.annotation, kept)
        for name, field in type(record).model_fields.items()
        if name not in KEPT | kept
    }
    return record.model_copy(update=changed)


def _hostile(value: Any, kind: Any, kept: frozenset[str]) -> Any:
    if isinstance(value, BaseModel):
        return hostile(value, kept=kept)
    if isinstance(value, list | tuple):
        return type(value)(_hostile(inner, kind, kept) for inner in value)
    if isinstance(value, dict):
        return {key: _hostile(inner, kind, kept) for key, inner in value.items()}
    takes_text = "Literal" not in str(kind) and (isinstance(value, str) or (value is None and kind == (str | None)))
    return HOSTILE if takes_text else value


def texts_of(value: Any) -> list[str]:
    """All texts in JSON, keys left out."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts_of(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts_of(inner)]
    return [value] if isinstance(value, str) else []
