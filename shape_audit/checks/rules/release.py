"""SA7: what a release should not hold, or not lack."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.hub import CONFIG_FILE

_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".gguf", ".safetensors", ".npz", ".msgpack", ".h5")
_OF_TRAINING = re.compile(r"(.*/)?(training_args|optimizer|scheduler|rng_state|scaler)[^/]*", re.DOTALL)
_SHARDS = (".distcp", "_model_states.pt", "model_optim_rng.pt")
_MERGE = (
    "Merge them: accelerate merge-weights FOLDER OUTPUT (FSDP), or zero_to_fp32.py (DeepSpeed), and save the model."
)
_LIKE_WEIGHTS = re.compile(r"(model|consolidated|pytorch_model)[^/]*\.safetensors")


@rule(
    "SA703", "adapter", "error",
    why="An adapter is loaded on top of a base model; under a model's name it loads as none.",
    fix="Merge it into its base model (merge_and_unload()) and save that, or release it as an adapter.",
    explains=("SA411",),
)  # fmt: skip
def adapter(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The folder holds an adapter and no model."""
    settings = model.files.documents.get("adapter_config.json")
    if settings is not None and not model.files.weight_files:
        yield Seen(f"a PEFT adapter of {settings.get('base_model_name_or_path') or 'an unnamed base model'!s:.80}",
                   file="adapter_config.json", about=(CONFIG_FILE,))  # fmt: skip


@rule(
    "SA706", "adapter-beside-weights", "warning",
    why="transformers finds adapter_config.json and loads the adapter on top of the weights beside it: twice, if these "
        "are the merged ones.",
    fix="Remove the adapter's files from a merged model, or release them in a repository of their own.",
)  # fmt: skip
def adapter_beside_weights(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """An adapter lies beside whole weights."""
    if "adapter_config.json" in model.files.files and model.files.weight_files:
        settings = model.files.documents.get("adapter_config.json", {})
        base = settings.get("base_model_name_or_path") or "an unnamed base model"
        yield Seen(f"a PEFT adapter (of {base!s:.80}) lies beside {model.files.weight_files[0]}",
                   file="adapter_config.json")  # fmt: skip


@rule(
    "SA704", "weights-twice", "warning", why="Every user downloads both, and nobody knows which of them is meant.",
    fix="Remove the files that transformers would not load.",
)  # fmt: skip
def weights_twice(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """There are safetensors weights besides those that transformers would load."""
    loaded = set(model.files.weight_files)
    for name in sorted(model.files.files):
        if loaded and name not in loaded and _LIKE_WEIGHTS.fullmatch(name):
            is_for_others = name.startswith("consolidated") and "params.json" in model.files.files
            whose = ": Mistral's own form, which its own library loads" if is_for_others else ""
            yield Seen(f"{name} lies beside {sorted(loaded)[0]}, and is not loaded{whose}", file=name,
                       severity="note" if is_for_others else None)  # fmt: skip


@rule(
    "SA705", "no-weights", "error", why="There is nothing to load.",
    fix="Save the model with save_pretrained(), which writes safetensors.",
    explains=("SA701",),
)  # fmt: skip
def no_weights(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """There are no safetensors weights that transformers would load, or no tensors in them."""
    for file in model.files.weight_files:
        if file in model.files.headers and not model.files.headers[file]:
            yield Seen(f"{file} holds no tensor", file=file, place="weights")
    faulty = any(
        fault.file.endswith(".safetensors") or fault.file == model.files.index_file for fault in model.files.faults
    )
    names = sorted(model.files.files)
    if model.files.weight_files or faulty or model.files.weight_map or "adapter_config.json" in names:
        return  # or another rule says more
    is_listed = model.files.index_file in names
    lacking = "no model.safetensors" if is_listed else f"no model.safetensors and no {model.files.index_file}"
    shards = [name for name in names if name.endswith(_SHARDS)]
    others = [name for name in names if name.endswith(_WEIGHTS) and not _OF_TRAINING.fullmatch(name)]
    if shards:
        of = "a distributed checkpoint (FSDP, DCP, DeepSpeed or Megatron)"
        yield Seen(
            f"{lacking}; there are shards of {of}: {_some(shards)}", place="weights", fix=_MERGE, about=tuple(shards)
        )
    else:
        only = f"; only {_some(others)}" if others else ""
        inside = [name for name in names if name.endswith("/" + CONFIG_FILE)]
        below = f"; there is {_some(inside)}, see --subfolder" if inside else ""
        yield Seen(f"{lacking}{only}{below}", place="weights", about=tuple(others))


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
