"""Names that a training wrapper left in tensor names: transformers finds no weight under them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from shape_audit.shipped import facts


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


def wrappers_in(names: Iterable[str], config: Mapping[str, Any]) -> list[Wrapper]:
    """The wrappers that show in tensor names; a name may have several."""
    every = list(names)
    text = "".join(f".{name}.\n" for name in every)
    found = []
    for where in ("anywhere", "first"):
        for entry in facts("wrapper_names")[where]:
            part = f".{entry['name']}."
            if part not in text:
                continue
            having = tuple(n for n in every if (n + "." if where == "anywhere" else n).startswith(part[1:])
                           or (where == "anywhere" and part in f"{n}."))  # fmt: skip
            if having and not _is_own(entry, config):
                is_first = all(name.startswith(part[1:]) for name in having)
                found.append(Wrapper(entry["name"], entry["adds"], having, is_first, entry.get("for", "")))
    return found


def outer_wrappers(names: Iterable[str], *, of_text_alone: bool) -> list[Wrapper]:
    """What all names begin with though no class of transformers has a part of this name at its beginning, or none for
    text alone; of two models in one file, as trainers with a policy and its reference save them, what each begins with.
    """
    by_first: dict[str, list[str]] = {}
    for name in names:
        by_first.setdefault(name.partition(".")[0], []).append(name)
    inside = [{name.partition(".")[2] for name in some} for some in by_first.values()]
    if any(2 * len(inside[0] & one) <= max(len(inside[0]), len(one)) for one in inside):
        return []  # parts of one model
    found = (_outer(some, of_text_alone=of_text_alone and len(by_first) == 1) for some in by_first.values())
    return [wrapper for wrapper in found if wrapper is not None]


def _outer(every: list[str], *, of_text_alone: bool) -> Wrapper | None:
    table = facts("wrapper_names")
    known = {*table["outermost"]["names"], *(part for entry in table["first"] for part in entry["name"].split("."))}
    known |= {entry["name"] for entry in table["anywhere"]}
    columns = zip(*(name.split(".") for name in every), strict=False)
    common = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns)]
    outer = list(takewhile(lambda part: part not in known, common)) if len(every) > 1 else []
    is_inside = bool(common) and common[0] != "model" and any(n.startswith(f"{common[0]}.model.") for n in every)
    if of_text_alone and not outer and is_inside:
        outer = common[:1]  # as `language_model.model.layers`, of a text model that was cut out of a larger one
    return Wrapper(".".join(outer), "a class around the model", tuple(every), is_first=True) if outer else None


def leftovers_in(names: Iterable[str], config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What training left beside the model: what it is, and the names."""
    every = list(names)
    text = "\n".join(every)
    for entry in facts("wrapper_names")["leftovers"]:
        pattern = re.compile(entry["pattern"], re.MULTILINE)
        having = tuple(name for name in every if pattern.search(name)) if pattern.search(text) else ()
        if having and not _is_own(entry, config):
            yield entry["are"], having


def _is_own(entry: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether the names are the architecture's own: its config has settings of such adapters (Phi-4-multimodal), or
    names a class of such heads (InternLM2ForRewardModel)."""
    word, names = entry.get("unless_config"), entry.get("unless_architecture")
    if word is not None and any(word in key and isinstance(value, dict) for key, value in config.items()):
        return True
    return names is not None and re.search(names, str(config.get("architectures"))) is not None


def unwrapped(name: str, wrappers: Iterable[Wrapper]) -> str:
    """A tensor's name without what wrappers added."""
    for wrapper in wrappers:
        name = f".{name}".replace(f".{wrapper.name}.", f".{wrapper.stands_for}.".replace("..", ".")).removeprefix(".")
    return name
