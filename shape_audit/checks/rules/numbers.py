"""SA5: the numbers themselves (--weights)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule

if TYPE_CHECKING:
    from shape_audit.checks.weight_scan import TensorNumbers

_LOOK_BACK = "Go back to the last checkpoint without them; look at the loss and gradient norms around that step."


def _numbers(model: CheckedModel) -> Iterator[tuple[str, str, TensorNumbers]]:
    """(file, tensor, its numbers) of every tensor that was looked at."""
    for name, numbers in (model.numbers or {}).items():
        yield model.files.file_of(name) or "", name, numbers


def _count(number: int, of: int) -> str:
    return f"{number:,} of {of:,} numbers"


@rule("SA501", "nan", "error", needs="weights", why="One NaN in a weight makes every output a NaN.", fix=_LOOK_BACK,
      explains=("SA502", "SA504", "SA506"))  # fmt: skip
def nan(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor holds NaN."""
    for file, name, numbers in _numbers(model):
        if numbers.nan:
            where = f", the first bad one at {numbers.first_bad:,}"
            yield Seen(
                f"{name}: {_count(numbers.nan, model.tensors[name].numel)} are NaN{where}", file=file, place=name
            )


@rule("SA502", "infinity", "error", needs="weights", why="Infinity times zero is NaN, and norms of it are infinite.",
      fix=_LOOK_BACK, explains=("SA504", "SA506"))  # fmt: skip
def infinity(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor holds infinity."""
    for file, name, numbers in _numbers(model):
        if numbers.infinite:
            seen = f"{name}: {_count(numbers.infinite, model.tensors[name].numel)} are infinite"
            yield Seen(seen, file=file, place=name)


@rule("SA503", "all-zero", "warning", needs="weights",
      why="A matrix of zeros does nothing: it was never trained, or lost on the way. (Zero biases are usual.)",
      fix="Compare with the training checkpoint.", explains=("SA505",))  # fmt: skip
def all_zero(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A matrix is all zeros."""
    for file, name, numbers in _numbers(model):
        if numbers.is_zero and len(model.tensors[name].shape) > 1:
            yield Seen(f"{name} {list(model.tensors[name].shape)} is all zeros", file=file, place=name)


@rule("SA504", "constant", "warning", needs="weights",
      why="A matrix of one repeated number has rank one: never trained, or broken by a conversion.",
      fix="Compare with the training checkpoint.")  # fmt: skip
def constant(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A matrix is one number repeated."""
    for file, name, numbers in _numbers(model):
        if numbers.is_constant and len(model.tensors[name].shape) > 1:
            yield Seen(f"{name} {list(model.tensors[name].shape)} is one number repeated", file=file, place=name)


@rule("SA505", "dead-embedding-rows", "note", needs="weights",
      why="A token whose embedding is zero means nothing to the model. (Rows that pad the vocabulary are usual.)",
      fix="Check that these ids are padding, and that the tokenizer never gives them.")  # fmt: skip
def dead_embedding_rows(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Rows of the token embedding are all zeros."""
    for file, name, numbers in _numbers(model):
        if (numbers.zero_rows and "embed" in name.lower()) or (numbers.zero_rows and name.endswith("wte.weight")):
            rows = model.tensors[name].shape[0]
            yield Seen(f"{name}: {numbers.zero_rows:,} of {rows:,} rows are all zeros", file=file, place=name)


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
    for file, name, numbers in _numbers(model):
        if numbers.huge:
            header = model.tensors[name]
            seen = f"{name}: {_count(numbers.huge, header.numel)} are beyond half the range of {header.dtype}"
            yield Seen(seen, file=file, place=name)
