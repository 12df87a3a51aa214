"""SA315, SA316, SA318: weights that were lost, or hidden from every loader, when they were saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import BUILDING
from shape_audit.checks.tensor_groups import grouped
from shape_audit.checks.wrapper_names import Wrapper


@rule(
    "SA315", "wrapper-prefix", "error",
    why="A training wrapper renamed the tensors; transformers finds none under these names and takes random numbers.",
    fix="Save the inner model (unwrap_model(model).save_pretrained(FOLDER)), or rename the tensors.",
)  # fmt: skip
def wrapper_prefix(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Tensor names have parts that a training wrapper added."""
    together: dict[tuple[str, ...], list[Wrapper]] = defaultdict(list)
    for wrapper in model.wrappers:
        together[wrapper.names].append(wrapper)
    for names, wrappers in together.items():
        count, every = len(names), len(model.tensors) + len(model.empty_tensors)
        how_many = f"all {count:,} names" if count == every else f"{count:,} of {every:,} names"
        how = "begin with" if wrappers[0].is_first else "contain"
        what = ", and ".join(f"`{wrapper.name}.`, which {wrapper.adds} adds" for wrapper in wrappers)
        yield Seen(f"{how_many} {how} {what} (the first: {names[0]})",
                   file=model.anchor(names[0]), place=wrappers[0].name)  # fmt: skip
    twice = [name for name in model.tensors if name.startswith("model.model.")]
    if twice and not any(name.startswith("model.model.model.") for name in twice):
        yield Seen(f"{len(twice):,} names begin with `model.` twice; transformers drops one, other loaders may not",
                   file=model.anchor(twice[0]), place="model.model", severity="note")  # fmt: skip


@rule(
    "SA316", "empty-tensors", "error",
    why="Their numbers were on other devices when the model was saved, and are lost.",
    fix="Save again with the parameters gathered: under DeepSpeed ZeRO-3 set "
        "stage3_gather_16bit_weights_on_model_save, or run zero_to_fp32.py on the checkpoint.",
)  # fmt: skip
def empty_tensors(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Tensors have no elements (shape [0]), as ZeRO-3 leaves them where they are not gathered."""
    if model.empty_tensors:
        count, every = len(model.empty_tensors), len(model.tensors) + len(model.empty_tensors)
        groups = grouped(model.empty_tensors, among=[*model.tensors, *model.empty_tensors])
        words = ", ".join(map(str, groups[:4])) + (" ..." if groups[4:] else "")
        how_many = "all tensors are" if count == every else f"{count:,} of {every:,} tensors are"
        yield Seen(f"{how_many} empty (0 elements)" + ("" if count == every else f": {words}"),
                   file=model.anchor(model.empty_tensors[0]), place="empty tensors")  # fmt: skip


@rule(
    "SA318", "almost-empty", "error",
    why="Most weights are missing: a merge or an interrupted save wrote a part of them, and the rest would be random.",
    fix="Save or merge again, and compare the size of the files with that of the original model.",
    explains=("SA303", "SA313"),
)  # fmt: skip
def almost_empty(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Far fewer parameters are stored than the sizes in config.json call for."""
    if model.almost_empty is not None:
        stored, least = model.almost_empty
        wanted = (
            "none of them in a matrix" if least is None else f"the sizes in config.json call for at least {least:,}"
        )
        yield Seen(f"{stored:,} parameters are stored; {wanted}",
                   file=model.anchor(""), place="parameters", about=(BUILDING,))  # fmt: skip
