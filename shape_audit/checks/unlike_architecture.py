"""What --deep adds to SA301-303: tensors that the architecture has and the checkpoint lacks, or the reverse, or that it
has in another shape. One cause is one finding: a beginning of all names, a module of all blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.rule import Seen
from shape_audit.checks.subjects import size, tensor
from shape_audit.checks.tensor_groups import Group, grouped, prefix_apart
from shape_audit.checks.wrapper_names import unwrapped


def missing_from_architecture(model: CheckedModel) -> Iterator[Seen]:
    """What transformers misses; a beginning of all names that differs is named as that."""
    if model.expected is None or model.almost_empty:
        return
    explained = {unwrapped(name, model.wrappers) for name in (*model.wrapped_names, *model.empty_tensors)}
    missing = [name for name in model.expected.missing if name not in explained and not _is_beyond(model, name)]
    apart = prefix_apart(model.expected.unexpected, missing)
    if apart is not None and not model.wrappers:
        prefix, too_much, names = apart
        how_many = f"all {len(names):,}" if len(names) == len(model.tensors) else f"{len(names):,}"
        how = f"begin with `{prefix}.`, under which" if too_much else f"lack `{prefix}.` at their beginning, so that"
        yield Seen(f"{how_many} names {how} transformers finds none of them", file=model.anchor(names[0]), place=prefix,
                   fix="Rename the tensors, or save the inner model with its own save_pretrained().")  # fmt: skip
        found = {name.removeprefix(prefix + ".") if too_much else f"{prefix}.{name}" for name in names}
        missing = [name for name in missing if name not in found]
    for group in grouped(missing, among=model.expected.names):
        verb, them = ("is", "it") if group.count == 1 else ("are", "them")
        yield Seen(f"{group} {verb} not stored, though the architecture has {them}",
                   file=model.anchor(group.first), place=_place(group),
                   about=(group.first, tensor(group.first), _so_many_of(group)))  # fmt: skip


def _is_beyond(model: CheckedModel, name: str) -> bool:
    """Whether a tensor is of a block beyond the config's depth, or the stored one: SA304 says that these differ."""
    if model.stack is None or model.facts is None or not model.facts.num_hidden_layers:
        return False
    promised, stored = model.facts.num_hidden_layers, max(model.stack.blocks) + 1
    index = name.removeprefix(f"{model.stack.prefix}.").partition(".")[0]
    return name.startswith(f"{model.stack.prefix}.") and index.isdecimal() and int(index) >= min(promised, stored)


def _so_many_of(group: Group) -> str:
    """By what tensors that were renamed are known: under each of two names, as many are missing and unexpected."""
    return f"{group.count} tensors in {group.pattern.rpartition('.')[0]}"


def _place(group: Group) -> str:
    return group.first if group.count == 1 else group.pattern or "weights"


def unknown_to_architecture(model: CheckedModel) -> Iterator[Seen]:
    """What is stored and transformers has no place for."""
    if model.expected is None:
        return
    by_prefix = prefix_apart(model.expected.unexpected, model.expected.missing)
    explained = {*model.wrapped_names, *(by_prefix[2] if by_prefix else ())}
    unexpected = [n for n in model.expected.unexpected if n not in explained and not _is_beyond(model, n)]
    for group in grouped(unexpected, among={*model.tensors, *unexpected}):  # transformers names some as it renames
        words = "no such tensor" if group.count == 1 else "none of them"
        verb = "is" if group.count == 1 else "are"
        yield Seen(f"{group} {verb} stored, but the architecture has {words}",
                   file=model.anchor(group.first), place=_place(group), about=(_so_many_of(group),))  # fmt: skip


def misshapen_for_architecture(model: CheckedModel) -> Iterator[Seen]:
    """Tensors of one stored and one promised shape are one finding."""
    same: dict[Hashable, list[str]] = defaultdict(list)
    for name, stored, wanted in model.expected.mismatched if model.expected else ():
        if 0 not in stored:
            same[stored, wanted].append(name)
    for name, stored, wanted in model.expected.mismatched if model.expected else ():
        names = same.get((stored, wanted), [])
        if names and name == names[0]:
            groups = [str(group) for group in grouped(names, among=model.expected.names if model.expected else names)]
            what = ", ".join(groups[:3]) + (f" and {len(groups) - 3} more" if groups[3:] else "")
            verb = "is" if len(names) == 1 else "are"
            sizes = (size(number) for number in wanted if number not in stored)
            yield Seen(f"{what} {verb} {list(stored)}, the architecture has {list(wanted)}",
                       file=model.anchor(name), place=name, about=(tensor(name), *sizes))  # fmt: skip
