"""SA5: the numbers themselves (--weights).

Many tensors with the same fault have one cause, and are one finding. What holds NaN or infinity is not also said to be
constant or too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.tensor_groups import Group, grouped

if TYPE_CHECKING:
    from shape_audit.checks.weight_scan import TensorNumbers

_LOOK_BACK = "Go back to the last checkpoint without them; look at the loss and gradient norms around that step."
MOST_APART = 3
"""Tensors that are told one by one."""


def _together(model: CheckedModel, which: Callable[[str, TensorNumbers], object]) -> Iterator[Group]:
    """Tensors of which something holds: a few each by itself, many by the modules that they are in."""
    names = [name for name, numbers in (model.numbers or {}).items() if which(name, numbers)]
    for some in [[name] for name in names] if len(names) <= MOST_APART else [names]:
        yield from grouped(some, among=model.tensors)


def _seen(model: CheckedModel, group: Group, what: str) -> Seen:
    return Seen(f"{group}{what}", file=model.files.file_of(group.first) or "", place=group.place)


def _count(model: CheckedModel, group: Group, count: Callable[[TensorNumbers], int]) -> str:
    assert model.numbers is not None
    number = sum(count(model.numbers[name]) for name in group.names)
    return f"{number:,} of {sum(model.tensors[name].numel for name in group.names):,} numbers"


def _are(model: CheckedModel, group: Group) -> str:
    return f" {list(model.tensors[group.first].shape)} is" if group.count == 1 else " are each"


def _is_matrix(model: CheckedModel, name: str) -> bool:
    return len(model.tensors[name].shape) > 1


@rule("SA501", "nan", "error", needs="weights", why="One NaN in a weight makes every output a NaN.", fix=_LOOK_BACK)
def nan(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor holds NaN."""
    for group in _together(model, lambda _, numbers: numbers.nan):
        assert model.numbers is not None
        within = "" if group.count == 1 else f" of {group.first}"
        where = f", the first bad one at {model.numbers[group.first].first_bad:,}{within}"
        yield _seen(model, group, f": {_count(model, group, lambda numbers: numbers.nan)} are NaN{where}")


@rule("SA502", "infinity", "error", needs="weights", why="Infinity times zero is NaN, and norms of it are infinite.",
      fix=_LOOK_BACK)  # fmt: skip
def infinity(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor holds infinity."""
    for group in _together(model, lambda _, numbers: numbers.infinite and not numbers.nan):
        yield _seen(model, group, f": {_count(model, group, lambda numbers: numbers.infinite)} are infinite")


@rule("SA503", "all-zero", "warning", needs="weights",
      why="A matrix of zeros does nothing: it was never trained, or lost on the way. (Zero biases are usual.)",
      fix="Compare with the training checkpoint.")  # fmt: skip
def all_zero(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A matrix is all zeros."""
    for group in _together(model, lambda name, numbers: numbers.is_zero and _is_matrix(model, name)):
        yield _seen(model, group, f"{_are(model, group)} all zeros")


@rule("SA504", "constant", "warning", needs="weights",
      why="A matrix of one repeated number has rank one: never trained, or broken by a conversion.",
      fix="Compare with the training checkpoint.")  # fmt: skip
def constant(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A matrix is one number repeated."""
    for group in _together(
        model, lambda name, numbers: numbers.is_constant and numbers.is_finite and _is_matrix(model, name)
    ):
        yield _seen(model, group, f"{_are(model, group)} one number repeated")


@rule("SA505", "dead-embedding-rows", "note", needs="weights",
      why="A token whose embedding is zero means nothing to the model. (Rows that pad the vocabulary are usual.)",
      fix="Check that these ids are padding, and that the tokenizer never gives them.")  # fmt: skip
def dead_embedding_rows(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Rows of the token embedding are all zeros."""
    for name, numbers in (model.numbers or {}).items():
        is_embedding = "embed" in name.lower() or name.endswith("wte.weight")
        if numbers.zero_rows and is_embedding and not numbers.is_zero:
            seen = f"{name}: {numbers.zero_rows:,} of {model.tensors[name].shape[0]:,} rows are all zeros"
            yield Seen(seen, file=model.files.file_of(name) or "", place=name)


@rule(
    "SA506",
    "near-overflow",
    "warning",
    needs="weights",
    why="Numbers beyond half of the dtype's range overflow in the first sum they meet.",
    fix=_LOOK_BACK,
)
def near_overflow(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor holds numbers beyond half of its dtype's range."""
    for group in _together(model, lambda _, numbers: numbers.huge and numbers.is_finite):
        count = _count(model, group, lambda numbers: numbers.huge)
        yield _seen(model, group, f": {count} are beyond half the range of {model.tensors[group.first].dtype}")
