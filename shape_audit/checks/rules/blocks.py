"""SA301-303, SA313, SA314: every block has the tensors it should have.

With --deep transformers says which these are. Without it, a block is compared with blocks of its own kind, as the
config or a repeating pattern tells them apart: what most of them have, the others should have too. A few that differ
are faults; many that differ are a design that nobody has declared.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from shape_audit.checks.beside_blocks import lost_beside
from shape_audit.checks.biases import OddBiases, odd_biases
from shape_audit.checks.block_parts import FEWEST_ALIKE, is_of_another_type, missing_parts, stands_apart, unknown_parts
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.odd_sizes import odd_ends, odd_sizes
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import BUILDING, STORED_SIZES, key_of, size
from shape_audit.checks.tensor_groups import grouped, ranges
from shape_audit.checks.unlike_architecture import (
    misshapen_for_architecture,
    missing_from_architecture,
    unknown_to_architecture,
)
from shape_audit.hub import CONFIG_FILE
from shape_audit.shape import BlockStack, block_stacks, like_blocks

FEW = 4
"""Blocks that differ are faults where they are no more than a 1 / FEW of their kind, or one."""
_WIDTHS = (key_of(CONFIG_FILE, "widths"),)
"""What SA102 is about: the width of a block is read from its norms."""
WHOLE = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8")
"""Types of numbers that are stored one by one: so that a quantised matrix, too, has the shape of what it stands for."""
MOST_STRAYS = 4
"""Tensors that may have strayed into a block of a hybrid; more are a part that one block keeps for all (Zamba)."""


def _few(part: BlockStack) -> int:
    return max(1, len(part.blocks) // FEW)


def _parts(model: CheckedModel) -> Iterator[BlockStack]:
    """The kinds of blocks to compare, where transformers has not said what is right."""
    if not model.is_compared:
        yield from model.alike
        for stack in model.other_stacks:
            yield from like_blocks(None, stack)


@rule(
    "SA301", "missing-tensor", "error",
    why="transformers fills what is missing with random numbers and says so in a warning that few read.",
    fix="Save the model again from the training checkpoint that has this tensor.",
    explains=("SA302",),
)  # fmt: skip
def missing_tensor(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A block lacks a tensor that others of its kind have, or (--deep) the architecture has one that is not stored."""
    is_explained = model.almost_empty or (model.empty_tensors and model.may_mix_kinds)
    for part in _parts(model) if not is_explained else ():
        lacking = {index: tuple(sorted(_lacking(model, part, index))) for index in part.blocks}
        yield from _odd_blocks(model, part, lacking, "lack")
    yield from _without_their_scales(model) if not is_explained else ()
    yield from _incomplete_blocks(model)
    yield from _biases(model, odd_biases(model)[0], are_stored=False)
    depth = model.facts.num_hidden_layers if model.facts else None
    if depth and model.tensors and model.stack is None and not model.empty_tensors and not model.almost_empty:
        seen_nothing = f"config.json promises {depth} blocks, but no tensor belongs to one"
        yield Seen(seen_nothing, file=model.anchor(""), place="blocks", about=model.lost_with_files)
    if not model.is_compared and not is_explained and model.lacks_final_norm:
        seen = "no norm after the last block is stored"
        yield Seen(seen, file=model.anchor(""), place="norm", about=model.lost_with_files)
    beside = [*lost_beside(model)] if not is_explained else []
    for group in grouped(beside, among=[*model.tensors, *beside]):
        assert model.facts is not None
        verb, has = ("is", "has it") if group.count == 1 else ("are", "has them")
        seen = f"{group} {verb} not stored, but every {model.facts.text_model_type} of transformers {has}"
        yield Seen(seen, file=model.anchor(""), place=group.place, about=(group.first, *model.lost_with_files))
    yield from missing_from_architecture(model)


def _without_their_scales(model: CheckedModel) -> Iterator[Seen]:
    """Quantised matrices without a scale, zero point or the like that the same matrix has in other blocks, where it is
    stored in the same form. `model.stack` has the weights they stand for, and nothing beside them."""
    stored = [stack for stack in block_stacks(model.tensors) if model.stack and stack.prefix == model.stack.prefix]
    for stack in stored if model.is_quantized else ():
        assert model.stack is not None
        forms = Counter((rest, header.dtype) for block in stack.blocks.values() for rest, header in block.items())
        beside = [rest for rest in stack.usual if rest not in model.stack.counts]
        lacking: dict[int, tuple[str, ...]] = {}
        for index, block in stack.blocks.items():
            for rest in beside:
                if rest in block or len(stack.blocks) - stack.counts[rest] > _few(stack):
                    continue
                module = f"{rest.rpartition('.')[0]}."
                others = [(name, header.dtype) for name, header in block.items() if f"{name}.".startswith(module)]
                is_there = any(f"{name}.".startswith(module) for name in model.stack.blocks.get(index, ()))
                if is_there and all(2 * forms[form] > len(stack.blocks) for form in others):
                    lacking[index] = (*lacking.get(index, ()), rest)
        yield from _odd_blocks(model, stack, lacking, "lack")


def _biases(model: CheckedModel, odd: list[OddBiases], *, are_stored: bool) -> Iterator[Seen]:
    """One finding for all biases that one switch of the config, or the type, is about."""
    for biases in odd:
        assert model.facts is not None
        why = f"{'no' if are_stored else 'every'} {model.facts.text_model_type} of transformers has such"
        if biases.switch:
            why = f"{biases.switch} is {json.dumps(not are_stored)}"
        seen = f"are stored, but {why}: they are not loaded" if are_stored else f"are not stored, but {why}"
        for group in grouped(biases.names, among={*model.tensors, *biases.names}):
            yield Seen(f"{group} {seen}", file=model.anchor(group.first), place=group.place,
                       about=(*biases.names, *model.lost_with_files))  # fmt: skip


def _incomplete_blocks(model: CheckedModel) -> Iterator[Seen]:
    """Blocks that hold less than transformers' own models of the type, and have no neighbour that says so."""
    for indices, rests in missing_parts(model):
        assert model.stack is not None and model.facts is not None
        which = f"block {indices[0]} lacks" if len(indices) == 1 else f"blocks {ranges(indices)} lack"
        listed = ", ".join(rests[:3]) + (" ..." if rests[3:] else "")
        seen = f"{which} {listed}, which every {model.facts.text_model_type} of transformers has beside the rest"
        names = tuple(model.stack.name_of(index, rest) for index in indices for rest in rests)
        place = names[0] if len(indices) == 1 else f"{model.stack.prefix}.{ranges(indices)}.{rests[0]}"
        yield Seen(seen, file=model.anchor(""), place=place, about=(*names, *model.lost_with_files))


def _is_regular(part: BlockStack, odd: list[int]) -> bool:
    """Whether blocks that differ come at equal distances all through the stack: every fourth, say, of a design that the
    config does not tell."""
    places = [place for place, index in enumerate(part.blocks) if index in odd]
    if len(places) < 2:
        return False
    step = places[1] - places[0]
    return step > 1 and places == list(range(places[0], len(part.blocks), step)) and places[0] < step


def _lacking(model: CheckedModel, part: BlockStack, index: int) -> set[str]:
    """What a block lacks: nothing where so many lack it that it is a design, or where it has something else instead."""
    block, usual = part.blocks[index], part.usual
    if len(part.blocks) < FEWEST_ALIKE or (stands_apart(model, part, index) and not _is_renaming(part, index)):
        return set()
    empty = set(model.empty_tensors)
    lacking = {rest for rest in usual if rest not in block and len(part.blocks) - part.counts[rest] <= _few(part)}
    regular = {r for r in lacking if _is_regular(part, [i for i, other in part.blocks.items() if r not in other])}
    return {rest for rest in lacking - regular if part.name_of(index, rest) not in empty}


def _is_renaming(part: BlockStack, index: int) -> bool:
    """Whether a block has one tensor in the place of another of the same shape."""
    block, usual = part.blocks[index], part.usual
    more, lost = [h.shape for n, h in block.items() if n not in usual], [s for n, s in usual.items() if n not in block]
    return len(more) == 1 and more == lost


def _odd_blocks(model: CheckedModel, part: BlockStack, odd: Mapping[int, tuple[str, ...]], verb: str) -> Iterator[Seen]:
    """One finding for all blocks that differ in the same tensors: `lack` or `have` them."""
    same: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, rests in odd.items():
        if rests:
            same[rests].append(index)
    of_all = len(part.blocks)
    for rests, indices in same.items():
        listed = ", ".join(rests[:3]) + (" ..." if rests[3:] else "")
        what = listed if len(rests) == 1 else f"{len(rests)} tensors ({listed})"
        if verb == "lack":
            end = f"which {of_all - len(indices)} of {of_all} blocks have"
        else:
            end = f"as only {len(indices)} of {of_all} blocks do"
        one = {"lack": "lacks", "have": "has"}[verb]
        which = f"block {indices[0]} {one}" if len(indices) == 1 else f"blocks {ranges(indices)} {verb}"
        name = part.name_of(indices[0], rests[0])
        if len(rests) == len(indices) == 1:
            place = name
        else:
            place = f"{part.prefix}.{ranges(indices)}" + (f".{rests[0]}" if len(rests) == 1 else "")
        shapes = {rest: part.usual.get(rest) or part.blocks[indices[0]][rest].shape for rest in rests}
        places = (f"{part.prefix}.{index} {list(shape)}" for index in indices for shape in shapes.values())
        concerned = indices if verb == "lack" else part.blocks  # or is it the others that lack it?
        names = (part.name_of(index, rest) for index in concerned for rest in rests)
        yield Seen(
            f"{which} {what}, {end}",
            file=model.anchor(name),
            place=place,
            about=(*names, *places, *model.lost_with_files),
        )


@rule(
    "SA302", "unexpected-tensor", "warning",
    why="What the architecture does not know is not loaded: a sign of another architecture, or of leftovers.",
    fix="Save the model with save_pretrained() of the class that config.json names.",
)  # fmt: skip
def unexpected_tensor(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A block has a tensor that the others lack, or (--deep) one is stored that the architecture does not have."""
    told: set[str] = set()
    for part in _parts(model):
        surplus = {index: _surplus(model, part, index) for index in part.blocks}
        told |= {rest for rests in surplus.values() for rest in rests}
        yield from _odd_blocks(model, part, surplus, "have")
    yield from _unknown_to_type(model, unknown_parts(model) - told)
    yield from _biases(model, odd_biases(model)[1], are_stored=True)
    for what, names in model.leftovers if not model.is_compared else ():
        listed = ", ".join(map(str, grouped(names, among=[*model.tensors, ""])))
        yield Seen(f"{listed} {'is' if len(names) == 1 else 'are'} {what}", file=model.anchor(names[0]), place=names[0])
    yield from unknown_to_architecture(model)


def _unknown_to_type(model: CheckedModel, rests: set[str]) -> Iterator[Seen]:
    """What all blocks of a kind have, and no model of their type. Experts are stored under names of several layouts."""
    if model.stack is None or model.facts is None or model.may_mix_kinds or is_of_another_type(model):
        return
    names = [model.stack.name_of(i, rest) for i, block in model.stack.blocks.items() for rest in block if rest in rests]
    for group in grouped(names, among=model.tensors):
        verb = "is" if group.count == 1 else "are"
        around = f"{group.first.removesuffix('.weight').rpartition('.')[0]}.weight"  # which may be missed for it
        yield Seen(f"{group} {verb} stored, but no {model.facts.text_model_type} of transformers has such",
                   file=model.anchor(group.first), place=group.place, about=(around,))  # fmt: skip


def _surplus(model: CheckedModel, part: BlockStack, index: int) -> tuple[str, ...]:
    """What a block has beyond the others; nothing where that stands instead of something else, by a design.

    The first block of an encoder-decoder has relative positions for all (T5).
    """
    block = part.blocks[index]
    if model.facts and model.facts.is_causal_lm is False and index == min(part.blocks):
        return ()
    if len(part.blocks) < (FEWEST_ALIKE if model.may_mix_kinds else 2):
        return ()
    if model.may_mix_kinds and not set(part.usual) <= set(block):
        return ()
    surplus = [rest for rest in block if rest not in part.usual and part.counts[rest] <= _few(part)]
    if model.may_mix_kinds and len(surplus) > MOST_STRAYS:
        return ()
    return tuple(r for r in sorted(surplus) if not _is_regular(part, [i for i, b in part.blocks.items() if r in b]))


@rule(
    "SA303", "misshapen-tensor", "error",
    why="transformers refuses to load it, or replaces it by random numbers where sizes may differ.",
    fix="Save the model again from the training checkpoint; look for a merge or resize that missed this tensor.",
    explains=("SA102", "SA307"),
)  # fmt: skip
def misshapen_tensor(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor has another shape than in other blocks of its kind, or (--deep) than the architecture gives it."""
    alone = [*odd_sizes(model)]
    for group in alone:
        what = ", ".join(map(str, grouped(group.names, among=model.tensors)))
        verb = "is" if len(group.names) == 1 else "are"
        seen = f"{what} {verb} {list(group.shape)}: no other tensor has a size of {group.number}, "
        seen += "and config.json does not speak of it"
        yield Seen(seen, file=model.anchor(group.names[0]), place=group.names[0],
                   about=(STORED_SIZES, size(group.number), *_WIDTHS * (len(group.shape) == 1)))  # fmt: skip
    for end in odd_ends(model):
        width = model.facts.hidden_size if model.facts else None
        seen = f"{end.names[0]} is {list(end.shape)}: the blocks are {width} wide, and config.json has no {end.number}"
        yield Seen(seen, file=model.anchor(end.names[0]), place=end.names[0], about=(STORED_SIZES, size(end.number)))
    told = {name for group in alone for name in group.names}
    for part in _parts(model):
        if any(part.name_of(index, rest) in told for index, block in part.blocks.items() for rest in block):
            continue
        odd: dict[int, tuple[str, ...]] = {}
        for index, block in part.blocks.items():
            odd[index] = tuple(
                rest for rest in block
                if _is_odd_shape(part, index, rest) and not (model.is_quantized and _may_be_packed(model, part, rest))
            )  # fmt: skip
        for index, rests in odd.items():
            if rests:
                rest = rests[0]
                more = f"; so are {len(rests) - 1} more of its tensors" if rests[1:] else ""
                seen = f"{list(part.blocks[index][rest].shape)}, in the other blocks {list(part.usual[rest])}"
                name = part.name_of(index, rest)
                widths = _WIDTHS * any(len(part.blocks[index][rest].shape) == 1 for rest in rests)
                yield Seen(f"block {index}: {rest} is {seen}{more}", file=model.anchor(name), place=name,
                           about=(STORED_SIZES, *widths))  # fmt: skip
    yield from misshapen_for_architecture(model)


def _may_be_packed(model: CheckedModel, part: BlockStack, rest: str) -> bool:
    """Whether the shape of a tensor is worked out by a number of bits that may differ by block, or in one dimension in
    some blocks alone."""
    headers = [block[rest] for block in part.blocks.values() if rest in block]
    says = model.facts.quantization if model.facts else None
    is_uniform = says is not None and says.bits is not None and not says.modules and says.promised == {says.bits}
    is_worked_out = any(header.dtype not in WHOLE for header in headers) and not is_uniform
    return is_worked_out or len({len(header.shape) for header in headers}) > 1


def _is_odd_shape(part: BlockStack, index: int, rest: str) -> bool:
    shape, usual = part.blocks[index][rest].shape, part.usual.get(rest)
    if usual is None or shape == usual:
        return False
    odd = [i for i, block in part.blocks.items() if rest in block and block[rest].shape != usual]
    return len(odd) <= _few(part) and not _is_regular(part, odd)


@rule(
    "SA314", "uneven-blocks", "warning",
    why="So many blocks differ that it may be a design, but config.json does not say so.",
    fix="Run with --deep: transformers then says which of them are missing.",
)  # fmt: skip
def uneven_blocks(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Several blocks lack a tensor that others of their kind have, or have it in another shape, and transformers was
    not asked."""
    fix = None
    if model.config.get("auto_map"):
        fix = "Compare with the training checkpoint: only the repository's own code knows which blocks have it."
    for part in model.alike if not model.may_mix_kinds and not model.is_compared else ():
        counts = part.counts
        uneven = [rest for rest, count in counts.items() if _few(part) < count < len(part.blocks) - _few(part)]
        if uneven:
            rest = uneven[0]
            more = f", and {len(uneven) - 1} more like it" if uneven[1:] else ""
            yield Seen(f"{rest} is in {counts[rest]} of {len(part.blocks)} blocks{more}",
                       file=model.anchor(""), place=rest, fix=fix)  # fmt: skip
            continue
        is_whole = model.stack is not None and len(model.stack.blocks) > max(model.stack.blocks)  # else SA304 says so
        is_whole = is_whole and not (model.tensor_facts and len(set(model.tensor_facts.widths)) > 1)  # that SA102 says
        for rest, usual in part.usual.items() if is_whole and not model.is_quantized else ():
            odd = [i for i, block in part.blocks.items() if rest in block and block[rest].shape != usual]
            if len(odd) > _few(part):
                shapes = f"{list(part.blocks[odd[0]][rest].shape)} in {len(odd)} blocks, {list(usual)} in the others"
                yield Seen(f"{rest} is {shapes}", file=model.anchor(""), place=rest, fix=fix)
                break


@rule("SA313", "cannot-be-built", "error", needs="deep",
      why="What transformers cannot build from config.json, nobody can load by its name.",
      fix="Compare config.json with one that works; check model_type and architectures.",
      explains=("SA204", "SA312"))  # fmt: skip
def cannot_be_built(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """transformers cannot build the architecture that config.json describes."""
    if model.expected is None or model.expected.refusal is None:
        return
    is_explained = model.expected.is_about_tensors and any(
        True for look in (missing_tensor, misshapen_tensor) for _ in look(model, policy)
    )
    if not is_explained:
        named = {*re.findall(r"\w+", model.expected.refusal)}
        settings = {**model.config, **model.text_config}
        keys = (key for key, value in settings.items() if key in named or (isinstance(value, str) and value in named))
        yield Seen(f"transformers cannot load it: {model.expected.refusal}", place="architecture",
                   about=(BUILDING, *(key_of(CONFIG_FILE, key) for key in keys)))  # fmt: skip
