"""Which safetensors files of a repository make up the model, and why there may be none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any

from shape_audit.errors import CorruptFileError, IncompleteError, NotAuditableError
from shape_audit.hub.json_faults import why_not_json

CONFIG_FILE = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
SIDE_FILES = ("hf_quant_config.json", "quantize_config.json", "quant_config.json")
"""Where quantisers say what they did, besides or instead of config.json."""

_VARIANT = re.compile(r"model\.(?P<single>[\w-]+)\.safetensors|model\.safetensors\.index\.(?P<index>[\w-]+)\.json")


def single_file(variant: str | None) -> str:
    """Name of the file that holds all weights."""
    return f"model.{variant}.safetensors" if variant else "model.safetensors"


def index_file(variant: str | None) -> str:
    """Name of the file that says which shard holds which tensor."""
    return f"model.safetensors.index.{variant}.json" if variant else "model.safetensors.index.json"


MAX_CONTAINERS = 1_000_000
"""Lists and objects in a file: millions of empty ones would take gigabytes of memory."""


def parse_json_object(text: bytes, *, file: str) -> dict[str, Any]:
    """A JSON object from bytes nobody has checked yet.

    Raises:
        CorruptFileError: not UTF-8, not JSON, nested beyond reason, or no object.
    """
    if text.count(b"[") + text.count(b"{") > MAX_CONTAINERS:
        raise CorruptFileError(f"{file}: holds millions of lists or objects; the file is damaged")
    try:
        content = json.loads(text.decode("utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair can be parsed, and nothing else
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{file}: not valid JSON: {why_not_json(text, error)}") from error
    if not isinstance(content, dict):
        raise CorruptFileError(f"{file}: not a JSON object")
    return content


def read_side_files(files: Collection[str], read: Callable[[str], bytes]) -> dict[str, dict[str, Any]]:
    """Name -> content of the `SIDE_FILES` that are there.

    Raises:
        CorruptFileError: one of them is no JSON object.
    """
    return {name: parse_json_object(read(name), file=name) for name in SIDE_FILES if name in files}


def adapter_notes(files: Collection[str]) -> tuple[str, ...]:
    """What a reader of a model's record should know where an adapter lies beside its weights."""
    if ADAPTER_CONFIG not in files:
        return ()
    return (f"{ADAPTER_CONFIG} lies beside the weights: transformers loads that adapter on top of them",)


def refuse_what_is_no_model(files: Collection[str], subject: str, read: Callable[[str], bytes]) -> None:
    """Refuse adapters and folders without a config, saying what they are.

    Raises:
        NotAuditableError: a PEFT adapter (its base model is named).
        IncompleteError: there is no config.json.
    """
    if CONFIG_FILE in files:
        return
    if ADAPTER_CONFIG in files:
        base = parse_json_object(read(ADAPTER_CONFIG), file=ADAPTER_CONFIG).get("base_model_name_or_path")
        advice = f"audit its base model {base}" if isinstance(base, str) and base else "audit its base model"
        raise NotAuditableError(f"{subject}: a PEFT adapter, not a model; {advice}")
    if any(name.endswith(".gguf") for name in files):
        raise NotAuditableError(f"{subject}: GGUF files only; audit the repository they were converted from")
    folders = sorted(name.rpartition("/")[0] for name in files if name.endswith("/" + CONFIG_FILE))
    if folders:
        raise IncompleteError(f"{subject}: {CONFIG_FILE} lies in a subfolder; try --subfolder {folders[0]}")
    raise IncompleteError(f"{subject}: there is no {CONFIG_FILE}; this is not a transformers model")


def weight_files(
    files: Collection[str], subject: str, read: Callable[[str], bytes], *, variant: str | None = None
) -> tuple[str, ...]:
    """The safetensors files transformers would load: the single file where there is one, else the index's shards.

    Args:
        files: names of all files, relative to the root.
        subject: the model, for messages.
        read: gives the bytes of a small file.
        variant: of the weight files, such as fp16.

    Raises:
        NotAuditableError: pickled or GGUF weights only.
        IncompleteError: no weights at all, or shards that the index lists and the repository lacks.
        CorruptFileError: the index is damaged.
    """
    single, index = single_file(variant), index_file(variant)
    if single in files:
        return (single,)
    if index in files:
        weight_map = parse_json_object(read(index), file=index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise CorruptFileError(f"{index}: has no weight_map; the file is damaged")
        shards = sorted({str(shard) for shard in weight_map.values()})
        absent = [shard for shard in shards if shard not in files]
        if absent:
            raise IncompleteError(
                f"{subject}: {index} lists {len(shards)} files, of which {', '.join(absent[:3])}"
                f"{' ...' if absent[3:] else ''} {'are' if absent[1:] else 'is'} absent"
            )
        return tuple(shards)
    others = sorted({m["single"] or m["index"] for m in map(_VARIANT.fullmatch, files) if m})
    if others:
        raise IncompleteError(
            f"{subject}: there is no {single}; there are variants: {', '.join(others)}. Choose one with --variant"
        )
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in files):
        raise NotAuditableError(
            f"{subject}: pickled weights only, which can run code when loaded; convert them to safetensors"
        )
    if any(name.endswith(".gguf") for name in files):
        raise NotAuditableError(f"{subject}: GGUF weights only; audit the repository they were converted from")
    shards = sorted(name for name in files if name.endswith(".safetensors"))
    there = f"; there is {', '.join(shards[:3])}{' ...' if shards[3:] else ''}" if shards else ""
    raise IncompleteError(f"{subject}: there is no {single} and no {index}{there}")
