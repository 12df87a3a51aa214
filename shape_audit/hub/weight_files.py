"""Which safetensors files of a repository make up the model, and why there may be none."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from shape_audit.errors import CorruptFileError, IncompleteError, NotAuditableError

CONFIG_FILE = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
SIDE_FILES = ("hf_quant_config.json", "quantize_config.json", "quant_config.json")
"""Where quantisers say what they did, besides or instead of config.json."""

_VARIANT = re.compile(r"model\.(?P<single>[\w-]+)\.safetensors|model\.safetensors\.index\.(?P<index>[\w-]+)\.json")


_OTHER_FORMS = {"GGUF": re.compile(r".+\.gguf"), "OpenVINO": re.compile(r"(.*/)?openvino_[^/]+\.(bin|xml)")}
"""Weights that were converted from a checkpoint, and run no code when loaded."""


def single_file(variant: str | None) -> str:
    """Name of the file that holds all weights."""
    return f"model.{variant}.safetensors" if variant else "model.safetensors"


def index_file(variant: str | None) -> str:
    """Name of the file that says which shard holds which tensor."""
    return f"model.safetensors.index.{variant}.json" if variant else "model.safetensors.index.json"


def adapter_notes(files: Collection[str]) -> tuple[str, ...]:
    """What a reader of a model's record should know where an adapter lies beside its weights."""
    if ADAPTER_CONFIG not in files:
        return ()
    return (
        f"{ADAPTER_CONFIG} lies beside the weights: this is the model without that adapter, which transformers loads "
        "on top of them where peft is installed",
    )


def refuse_what_is_no_model(files: Collection[str], subject: str, adapter: Mapping[str, Any]) -> None:
    """Refuse adapters and folders without a config, saying what they are.

    Args:
        files: names of all files.
        subject: the model, for messages.
        adapter: content of adapter_config.json; empty where there is none, or none that can be read.

    Raises:
        NotAuditableError: a PEFT adapter (its base model is named).
        IncompleteError: there is no config.json.
    """
    if CONFIG_FILE in files:
        return
    _refuse_adapter(files, subject, adapter)
    if any(name.endswith(".gguf") for name in files):
        raise NotAuditableError(f"{subject}: GGUF files only; audit the repository they were converted from")
    folders = sorted(name.rpartition("/")[0] for name in files if name.endswith("/" + CONFIG_FILE))
    if folders:
        raise IncompleteError(f"{subject}: {CONFIG_FILE} lies in a subfolder; try --subfolder {folders[0]}")
    raise IncompleteError(f"{subject}: there is no {CONFIG_FILE}; this is not a transformers model")


def _refuse_adapter(files: Collection[str], subject: str, adapter: Mapping[str, Any]) -> None:
    if ADAPTER_CONFIG in files:
        base = adapter.get("base_model_name_or_path")
        advice = f"audit its base model {base}" if isinstance(base, str) and base else "audit its base model"
        raise NotAuditableError(f"{subject}: a PEFT adapter, not a model; {advice}")


def loaded_files(files: Collection[str], weight_map: Mapping[str, str], variant: str | None) -> tuple[str, ...]:
    """The safetensors files that transformers would load, of those that are there: the single file, else the shards."""
    single = single_file(variant)
    if single in files:
        return (single,)
    return tuple(sorted({shard for shard in weight_map.values() if shard in files and shard.endswith(".safetensors")}))


def refuse_missing_weights(
    files: Collection[str],
    weight_map: Mapping[str, str],
    subject: str,
    variant: str | None,
    adapter: Mapping[str, Any],
) -> None:
    """Say why there are no weights, or not all.

    Args:
        files: names of all files, relative to the model's own folder.
        weight_map: of the index, tensor -> shard; empty where there is none.
        subject: the model, for messages.
        variant: weight-file variant, such as fp16.
        adapter: as in `refuse_what_is_no_model`; some save the base model's config beside an adapter.

    Raises:
        NotAuditableError: an adapter, or weights in another form only (pickled, GGUF, OpenVINO).
        IncompleteError: no weights at all, or shards that the index lists and the repository lacks.
        CorruptFileError: the index lists nothing.
    """
    single, index = single_file(variant), index_file(variant)
    if single in files:
        return
    if index in files:
        if not weight_map:
            raise CorruptFileError(f"{index}: has no weight_map; the file is damaged")
        shards = sorted(set(weight_map.values()))
        absent = [shard for shard in shards if shard not in files]
        if absent:
            raise IncompleteError(
                f"{subject}: {index} lists {len(shards)} files, of which {', '.join(absent[:3])}"
                f"{' ...' if absent[3:] else ''} {'are' if absent[1:] else 'is'} absent"
            )
        return
    others = sorted({m["single"] or m["index"] for m in map(_VARIANT.fullmatch, files) if m})
    if others:
        raise IncompleteError(
            f"{subject}: there is no {single}; there are variants: {', '.join(others)}. Choose one with --variant"
        )
    _refuse_adapter(files, subject, adapter)
    of_form = {name: form for name in sorted(files) for form, names in _OTHER_FORMS.items() if names.fullmatch(name)}
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) and name not in of_form for name in files):
        raise NotAuditableError(
            f"{subject}: pickled weights only, which can run code when loaded; convert them to safetensors"
        )
    if of_form:
        form = next(iter(of_form.values()))
        raise NotAuditableError(f"{subject}: {form} weights only; audit the repository they were converted from")
    shards = sorted(name for name in files if name.endswith(".safetensors"))
    there = f"; there is {', '.join(shards[:3])}{' ...' if shards[3:] else ''}" if shards else ""
    if folders := sorted(name for name in files if name.endswith("/" + CONFIG_FILE)):
        there += f"; there is {', '.join(folders[:3])}{' ...' if folders[3:] else ''}, see --subfolder"
    raise IncompleteError(f"{subject}: there is no {single} and no {index}{there}")
