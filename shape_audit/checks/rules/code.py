"""SA701, SA702, SA707-713: what runs code when it is loaded, told by content, and what was not looked into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.executables.pickle_imports import COMPUTED, Import, harm
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.hub import requested_code

if TYPE_CHECKING:
    from shape_audit.checks.executables.scan import Executable, ExecutableKind

_PICKLED = re.compile(
    r"(pytorch_model|model|consolidated|training_args|optimizer|scheduler|rng_state)[\w.-]*\.(bin|pt|pth|ckpt)"
    r"|.+\.(pt|pth|ckpt|pkl)",
    re.DOTALL,
)
_CUSTOM_GENERATE = re.compile(r"(.*/)?custom_generate/generate\.py", re.DOTALL)
_MOST_IMPORTS = 6
_SAFETENSORS_ONLY = "Remove it; ship weights as safetensors, and data as JSON or arrays of numbers."


@rule(
    "SA701", "pickled-weights", "warning",
    why="A pickle can run any code when loaded; scanners flag the repository, and clients may prefer these files.",
    fix="Remove them; ship safetensors only.",
)  # fmt: skip
def pickled_weights(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Pickled files lie in the repository, in its subfolders or in archives, whatever their names."""
    pickles = list(_found(model, "pickle"))
    for one in pickles:
        if not _dangerous(one) and not any(_found(model, "script", one.file)):
            unknown = [imported for imported in one.imports if harm(imported) == "unknown"]
            more = f", which imports {_names(unknown)}" if unknown else ""
            yield Seen(f"{_place(one)} is {one.what}{more}", file=one.file, place=one.inside)
    for name in sorted({*model.files.repository.everything} - {one.file for one in pickles}):
        if _PICKLED.fullmatch(name.rpartition("/")[2]) and not any(_found(model, "script", name)):
            yield Seen(f"{name} is named like a pickle", file=name)


@rule(
    "SA702", "remote-code", "warning", why="Users must trust and run code of the repository to load the model.",
    fix="Use an architecture that transformers has, or contribute yours to it.",
)  # fmt: skip
def remote_code(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The config of model, tokenizer or processor asks for code of the repository, or an adapter for a module."""
    for file, content in model.files.documents.items():
        auto_map, mapping = content.get("auto_map"), content.get("auto_mapping")
        if auto_map:
            named = auto_map.get("AutoModelForCausalLM") if isinstance(auto_map, dict) else None
            yield Seen(f"auto_map names {named or auto_map!s:.80}", file=file, place="auto_map")
        if isinstance(mapping, dict) and mapping.get("parent_library"):
            yield Seen(
                f"auto_mapping has peft import {mapping['parent_library']!s:.80}", file=file, place="auto_mapping"
            )


@rule(
    "SA707", "pickle-runs-code", "error",
    why="It imports what runs commands, opens files or connections, or makes code: loading it hands over the machine.",
    fix="Do not load it. Find out who wrote it, and remove it.",
)  # fmt: skip
def pickle_runs_code(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A pickle imports what picklescan and modelscan list as dangerous."""
    for one in _found(model, "pickle"):
        dangerous = _dangerous(one)
        if dangerous:
            yield Seen(f"{_place(one)} is {one.what} that imports {_names(dangerous)}", file=one.file, place=one.inside)


@rule(
    "SA708", "script-module", "warning",
    why="TorchScript is a program: torch.jit.load, and torch.load, make it part of the process that loads it.",
    fix=_SAFETENSORS_ONLY,
)  # fmt: skip
def script_module(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A TorchScript module lies in the repository."""
    for one in _found(model, "script"):
        yield Seen(f"{_place(one)} is a TorchScript program", file=one.file, place=one.inside)


@rule(
    "SA709", "layer-with-code", "error",
    why="Keras and TensorFlow run the code that is stored with such a layer or graph.",
    fix="Remove it, or save the model without lambda layers and Python functions.",
)  # fmt: skip
def layer_with_code(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A Keras model has a lambda layer, or a TensorFlow graph reads files or calls Python."""
    for one in _found(model, "layer"):
        yield Seen(f"{_place(one)} holds {one.what}", file=one.file, place=one.inside)


@rule(
    "SA710", "custom-generate", "warning",
    why="generate() runs this file where the user trusts the repository's code.",
    fix="Remove it; say in the model card how to generate.",
)  # fmt: skip
def custom_generate(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The repository brings a generate function of its own."""
    for name in sorted(model.files.repository.everything):
        if _CUSTOM_GENERATE.fullmatch(name):
            yield Seen(f"{name} takes the place of transformers' generate()", file=name)


@rule(
    "SA711", "kernel-requested", "warning",
    why="transformers downloads and runs such a kernel from the Hub, or needs a package that users may not have.",
    fix="Remove the key: attention and kernels are the user's choice, when the model is loaded.",
)  # fmt: skip
def kernel_requested(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """config.json asks for attention, experts or kernels that are not torch's own."""
    for place, value in requested_code(model.config).items():
        severity = "error" if "/" in value else None
        yield Seen(f"{place} = {value}", place=place, severity=severity)  # type: ignore[arg-type]


@rule(
    "SA712", "data-outside", "error",
    why="Whoever loads it reads a file of their own machine into the model, or one that another has put there.",
    fix="Save the model with its data beside it, named without folders.",
)  # fmt: skip
def data_outside(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """An ONNX model takes its tensors from a path out of the folder."""
    for one in _found(model, "path"):
        yield Seen(f"{_place(one)} takes data from {one.what!r:.200}", file=one.file, place=one.inside)


@rule(
    "SA713", "not-looked-into", "warning",
    why="What this check has not seen may hold anything: as much as a pickle, which is a warning too (SA701).",
    fix="Unpack it and check again, or look at it with a scanner of its format.",
)  # fmt: skip
def not_looked_into(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A file, or a part of one, was not looked into for code: packed otherwise, damaged, beyond a limit, not to be had.

    The rest of a large file of no format that is known to run code is a note: sound repositories have such files.
    """
    unreadable = {fault.file for fault in model.files.faults if fault.kind == "unreadable"}  # SA409 names them
    for file, unread in model.executables.unread.items():
        if file in unreadable:
            continue
        yield Seen(f"{file}: {unread.reason}", file=file, severity="note" if unread.is_ordinary else None)


def _found(model: CheckedModel, kind: ExecutableKind, file: str | None = None) -> Iterator[Executable]:
    return (one for one in model.executables.found if one.kind == kind and file in (None, one.file))


def _dangerous(one: Executable) -> list[Import]:
    return [imported for imported in one.imports if harm(imported) == "runs code"]


def _place(one: Executable) -> str:
    return f"{one.inside} in {one.file}" if one.inside else one.file


def _names(imports: Iterable[Import]) -> str:
    names = ["a name that it computes" if one == COMPUTED else ".".join(one) for one in imports]
    more = f" and {len(names) - _MOST_IMPORTS} more" if names[_MOST_IMPORTS:] else ""
    return ", ".join(names[:_MOST_IMPORTS]) + more
