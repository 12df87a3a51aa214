"""What the parts of a block hold in transformers' own models: q, k, v and o in `self_attn`, a norm before each part.

It says what a block lacks that has no neighbour of its own kind to be compared with, and what all of them lack.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.shape import BlockStack
from shape_audit.shipped import facts

LEAST_KNOWN = 1 / 2
"""Of the names inside blocks, the share that its type knows: checkpoints under older names have more."""
FEWEST_ALIKE = 3
"""Blocks of a kind below which nobody can say which of them is the odd one."""
MANY_TYPES = 20
"""Whose blocks have a part: then no number in a config takes it away, as one does Gemma 4's `per_layer_input_gate`."""
Parts = dict[str, frozenset[str]]
"""A part's name inside the block (empty for the block itself) -> what stands in it; there, `#` is any number."""


def parts_of(names: Iterable[str]) -> Parts:
    """The parts that names inside a block tell of. Biases are left out: most are a choice."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if name.rpartition(".")[2] != "bias":
            steps = name.removesuffix(".weight").split(".")
            for place, step in enumerate(steps):
                found[".".join(steps[:place])].add("#" if step.isdigit() else step)
    return {part: frozenset(inside) for part, inside in found.items()}


def missing_parts(model: CheckedModel) -> Iterator[tuple[list[int], tuple[str, ...]]]:
    """Blocks and what they lack, where their neighbours cannot tell.

    A block that is alone of its kind should have what its type gives it: in its parts, and of parts those that others
    have. One of two, or one that stands apart from its kind, should have it if the others do: else the kind may be
    meant to be without. And all together should have what no switch of the config takes from any of them.
    """
    if not can_tell(model) or model.facts is None:
        return
    same: dict[tuple[str, ...], list[int]] = defaultdict(list)
    every = _names_in_blocks(model)
    if lost := (*_missing(every, model.facts.text_model_type, only_fixed=True), *_deeper(model, every)):
        same[lost] = [index for part in model.alike for index in part.blocks]
    for part in model.alike if not lost else ():
        for index, block in part.blocks.items():
            if len(part.blocks) < FEWEST_ALIKE or stands_apart(model, part, index):
                others = {name for i, other in part.blocks.items() if i != index for name in other}
                missing = _missing({*block}, model.facts.text_model_type)
                lost = tuple(
                    one for one in missing
                    if _has(others or every, one) or (not others and "." in one.removesuffix(".weight"))
                )  # fmt: skip
                same[lost] += [index] * bool(lost)
    yield from ((sorted(indices), names) for names, indices in same.items() if names)


def can_tell(model: CheckedModel) -> bool:
    """Whether the names are those that transformers gives, and nothing else explains what is missing."""
    if model.facts is None or not model.facts.is_known_type or model.config.get("auto_map"):
        return False
    return not (model.is_compared or model.wrappers or model.empty_tensors or model.almost_empty)


def unknown_parts(model: CheckedModel) -> set[str]:
    """Names inside blocks, biases left out, that no model of the type which the config names has there."""
    of_type, names = _known_steps(model), _names_in_blocks(model)
    return {name for name in names if of_type and not _steps([name]) <= of_type}


def is_of_another_type(model: CheckedModel) -> bool:
    """Whether that is most of what they hold."""
    of_type, stored = _known_steps(model), _steps(_names_in_blocks(model))
    return bool(of_type) and len(stored & of_type) < LEAST_KNOWN * len(stored)


def _known_steps(model: CheckedModel) -> set[tuple[str, str]]:
    """(part, what it may hold) in models of the type; none where nobody can tell. Packed weights have things beside
    them that are none of the type's."""
    is_plain = can_tell(model) and not model.is_quantized
    known = _known_parts(model.facts.text_model_type) if is_plain and model.facts else {}
    return {(part, step) for part, wholes in known.items() for whole in wholes for step in whole}


def _names_in_blocks(model: CheckedModel) -> set[str]:
    return {name for block in model.stack.blocks.values() for name in block} if model.stack else set()


def _steps(names: Iterable[str]) -> set[tuple[str, str]]:
    return {(any_number(part), step) for part, inside in parts_of(names).items() for step in inside}


def stands_apart(model: CheckedModel, part: BlockStack, index: int) -> bool:
    """Whether a block has something that the others of its kind lack, where there may be kinds that nobody tells."""
    return model.may_mix_kinds and any(rest not in part.usual for rest in part.blocks[index])


def _has(names: set[str], part: str) -> bool:
    return any(f"{name}.".startswith(f"{part}.") for name in names)


def _missing(names: set[str], model_type: str | None, *, only_fixed: bool = False) -> Iterator[str]:
    """What parts lack that hold less than they do in any model of this type (or, where this part is never so, than
    other parts: a dense `mlp` than one of the experts). Nothing of those that hold something that transformers does not
    give them: they are of a layout of their own.

    Args:
        only_fixed: ask only for what parts always hold, whatever the config says.
    """
    known = _known_parts(model_type)
    for part, inside in parts_of(names).items():
        wholes = known.get(any_number(part), [])
        if only_fixed and len(wholes) != 1:
            continue
        others = [whole for other in known.values() for whole in other] if wholes else []
        larger = [one for one in wholes if inside < one] or [one for one in others if inside < one]
        if larger and inside not in wholes:
            lost = min(larger, key=lambda whole: (len(whole), sorted(whole))) - inside
            if only_fixed and not part:
                lost &= _in_most_blocks()
            yield from (_full_name(f"{part}.{one}".removeprefix("."), names, known) for one in sorted(lost))


def _deeper(model: CheckedModel, names: set[str]) -> Iterator[str]:
    """Matrices that stand one level deeper than transformers looks: `self_attn.q_proj.linear.weight`."""
    known = _known_parts(model.facts.text_model_type) if model.facts and not model.is_quantized else {}
    matrices = {f"{part}.{step}" for part, wholes in known.items() for whole in wholes for step in whole if part}
    stored = {name.removesuffix(".weight") for name in names}
    for part in sorted(parts_of(names)):
        if any_number(part) in matrices - known.keys() and part not in stored:
            yield f"{part}.weight"


def _full_name(name: str, names: set[str], known: Mapping[str, object]) -> str:
    """With `.weight` at its end, unless it is a module, or parameters stand bare in its place (`A_log`, `D`)."""
    beside = f"{name.rpartition('.')[0]}.".removeprefix(".")
    is_bare = any(n.startswith(beside) and "." not in n.removeprefix(beside) for n in names)
    return name if any_number(name) in known or is_bare else f"{name}.weight"


def any_number(part: str) -> str:
    """`mlp.experts.#` of `mlp.experts.7`: the name of a part, whichever of several like it."""
    return ".".join("#" if step.isdigit() else step for step in part.split("."))


@cache
def _known_parts(model_type: str | None) -> dict[str, list[frozenset[str]]]:
    table = facts("block_parts")
    known: dict[str, list[frozenset[str]]] = defaultdict(list)
    for number in table["types"].get(model_type, ()):
        part, _, inside = table["parts"][number].partition(": ")
        known[part].append(frozenset(inside.split()))
    return dict(known)


@cache
def _in_most_blocks() -> frozenset[str]:
    """Parts that blocks of many types have: attention, feed-forward, the norms before them."""
    wholes = [
        {step for whole in _known_parts(name).get("", ()) for step in whole} for name in facts("block_parts")["types"]
    ]
    return frozenset(step for step, count in Counter(chain(*wholes)).items() if count >= MANY_TYPES)
