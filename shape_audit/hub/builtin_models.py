"""The models that ship with the package, by name."""

from __future__ import annotations

from pathlib import Path

from shape_audit.errors import IncompleteError, did_you_mean
from shape_audit.shipped import DATA

_FOLDER = DATA / "builtin"


def builtin_names() -> list[str]:
    """The NAMEs of all `builtin:NAME` models."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/config.json"))


def builtin_folder(name: str) -> Path:
    """The Hub-style folder of a built-in model.

    Raises:
        IncompleteError: there is no such built-in model; the message names the nearest and all there are.
    """
    if name not in builtin_names():
        known = [f"builtin:{known}" for known in builtin_names()]
        near = did_you_mean(f"builtin:{name}", known)
        there = f"{near} There" if near else "; there"
        raise IncompleteError(f"builtin:{name}: no such built-in model{there} are {', '.join(known)}")
    return _FOLDER / name
