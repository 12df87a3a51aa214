"""What --deep adds to SA301-303: tensors that the architecture has and the checkpoint lacks, or the reverse, or that it
has in another shape. One cause is one finding: a beginning of all names, a module of all blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.rule import Seen
from shape_audit.checks.subjects import STORED_SIZES, key_of, size, tensor
from shape_audit.checks.tensor_groups import Group, grouped, prefix_apart
from shape_audit.checks.wrapper_names import unwrapped
from shape_audit.hub import CONFIG_FILE


def missing_from_architecture(model: CheckedModel) -> Iterator[Seen]:
    """What transformers misses; a beginning of all names that differs is named as that."""
    if model.expected is None or model.almost_empty:
        return
    explained = {unwrapped(name, model.wrappers) for name in (*model.wrapped_names, *model.empty_tensors)}
    missing = [name for name in model.expected.missing if name not in explained and not _is_beyond(model, name)]
    if is_of_another(model):
        stored, wanted = model.expected.unexpected, model.expected.missing
        seen = f"{len(stored):,} of {len(model.tensors):,} tensors stored are none of the architecture's, and "
        seen += f"{len(wanted):,} of its {len(model.expected.names):,} are not stored ({stored[0]}, not {wanted[0]})"
        yield Seen(seen, file=model.anchor(""), place="weights", about=(key_of(CONFIG_FILE, "model_type"),),
                   fix="Correct model_type and architectures in config.json, or save the right weights.")  # fmt: skip
        return
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
                   file=model.anchor(group.first), place=group.place,
                   about=(group.first, tensor(group.first), _so_many_of(group), *model.lost_with_files))  # fmt: skip


def is_of_another(model: CheckedModel) -> bool:
    """Whether the config describes another model altogether: it knows hardly one of the tensors."""
    expected = model.expected
    if expected is None or not expected.names or model.wrappers or not model.tensors:
        return False
    known = len(set(model.tensors) & set(expected.names))
    fits = known > len(model.tensors) / 10 or len(expected.missing) < 0.9 * len(expected.names)
    return not fits and prefix_apart(expected.unexpected, expected.missing) is None


def _is_beyond(model: CheckedModel, name: str) -> bool:
    """Whether a tensor is of a block beyond the config's depth, or the stored one: SA304 says that these differ."""
    if model.stack is None or model.facts is None or not model.facts.num_hidden_layers:
        return False
    promised, stored = model.facts.num_hidden_layers, max(model.stack.blocks) + 1
    index = name.removeprefix(f"{model.stack.prefix}.").partition(".")[0]
    return name.startswith(f"{model.stack.prefix}.") and index.isdecimal() and int(index) >= min(promised, stored)


def _so_many_of(group: Group) -> str:
    """By what tensors that were renamed are known: under each of two names, as many are missing and unexpected."""
    return f"{group.count} tensors in {group.pattern.removesuffix('.weight').rpartition('.')[0]}"


def unknown_to_architecture(model: CheckedModel) -> Iterator[Seen]:
    """What is stored and transformers has no place for."""
    if model.expected is None or is_of_another(model):
        return
    by_prefix = prefix_apart(model.expected.unexpected, model.expected.missing)
    explained = {*model.wrapped_names, *(by_prefix[2] if by_prefix else ())}
    unexpected = [n for n in model.expected.unexpected if n not in explained and not _is_beyond(model, n)]
    for group in grouped(unexpected, among={*model.tensors, *unexpected}):  # transformers names some as it renames
        words = "no such tensor" if group.count == 1 else "none of them"
        verb = "is" if group.count == 1 else "are"
        yield Seen(f"{group} {verb} stored, but the architecture has {words}",
                   file=model.anchor(group.first), place=group.place,
                   about=(group.first, _so_many_of(group)))  # fmt: skip


def misshapen_for_architecture(model: CheckedModel) -> Iterator[Seen]:
    """Tensors that have one number in the place of another are one finding."""
    same: dict[frozenset[tuple[int, int]], list[tuple[str, tuple[int, ...], tuple[int, ...]]]] = defaultdict(list)
    for name, stored, wanted in model.expected.mismatched if model.expected and not model.almost_empty else ():
        if 0 not in stored:
            pairs = zip(stored, wanted, strict=True) if len(stored) == len(wanted) else [(stored[0], wanted[0])]
            same[frozenset(pair for pair in pairs if pair[0] != pair[1])].append((name, stored, wanted))
    for instead, mismatched in same.items():
        names = [name for name, *_ in mismatched]
        groups = [str(group) for group in grouped(names, among=model.expected.names if model.expected else names)]
        what = ", ".join(groups[:3]) + (f" and {len(groups) - 3} more" if groups[3:] else "")
        name, stored, wanted = mismatched[0]
        shape = f"is {list(stored)}, the architecture has {list(wanted)}"
        if len({(one, other) for _, one, other in mismatched}) == 1:
            seen = f"{what} {shape if len(names) == 1 else shape.replace('is', 'are', 1)}"
        else:
            has = " and ".join(f"{one} where the architecture has {other}" for one, other in sorted(instead))
            seen = f"{what} have {has} ({name} {shape})"
        widths = (key_of(CONFIG_FILE, "widths"),) * any(len(stored) == 1 for _, stored, _ in mismatched)
        yield Seen(seen, file=model.anchor(name), place=name,
                   about=(tensor(name), *(size(other) for _, other in instead), *widths, STORED_SIZES))  # fmt: skip
