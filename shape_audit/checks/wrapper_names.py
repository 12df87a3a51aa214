"""Names that a training wrapper left in tensor names: transformers finds no weight under them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Wrapper:
    """What a wrapper adds to names.

    Attributes:
        name: `_orig_mod`, with dots inside where it is several parts.
        adds: whose it is.
        names: the tensor names that have it.
        is_first: whether all of them begin with it.
        stands_for: what the name is without the wrapper, where that is not nothing.
    """

    name: str
    adds: str
    names: tuple[str, ...]
    is_first: bool
    stands_for: str = ""


def wrappers_in(names: Iterable[str]) -> list[Wrapper]:
    """The wrappers that show in tensor names; a name may have several."""
    every = list(names)
    found = []
    for where, entries in _table().items():
        for entry in entries:
            part = f".{entry['name']}."
            having = tuple(n for n in every if (n + "." if where == "anywhere" else n).startswith(part[1:])
                           or (where == "anywhere" and part in f"{n}."))  # fmt: skip
            if having:
                is_first = all(name.startswith(part[1:]) for name in having)
                found.append(Wrapper(entry["name"], entry["adds"], having, is_first, entry.get("for", "")))
    return found


def unwrapped(name: str, wrappers: Iterable[Wrapper]) -> str:
    """A tensor's name without what wrappers added."""
    for wrapper in wrappers:
        name = f".{name}".replace(f".{wrapper.name}.", f".{wrapper.stands_for}.".replace("..", ".")).removeprefix(".")
    return name


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    path = Path(__file__).resolve().parent.parent / "data" / "wrapper_names.json"
    table: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return table
