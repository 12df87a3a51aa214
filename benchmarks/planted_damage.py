"""Kinds of damage to a sound checkpoint, planted in its headers or side files, and how a finding names each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.meta_checkpoints import write_sparse
from shape_audit.hub import TensorHeader
from shape_audit.hub.safetensors_header import read_header
from shape_audit.shape import BlockStack

Headers = dict[str, TensorHeader]


@dataclass(frozen=True)
class Sound:
    """A sound checkpoint in one file: where it lies, its headers, its decoder's blocks, and these by kind."""

    folder: Path
    headers: Headers
    blocks: BlockStack
    kinds: list[BlockStack]


def _middle(sound: Sound) -> int:
    return sorted(sound.blocks.blocks)[len(sound.blocks.blocks) // 2]


def _rare(sound: Sound) -> int:
    """The first block of the kind with the fewest members."""
    return min(min(sound.kinds, key=lambda kind: len(kind.blocks)).blocks)


def _matrix(sound: Sound, index: int) -> str | None:
    """The name of a block's first matrix of attention or feed-forward."""
    block = sound.blocks.blocks[index]
    found = (rest for rest in sorted(block) if len(block[rest].shape) == 2 and min(block[rest].shape) > 1)
    rest = next(found, None)
    return sound.blocks.name_of(index, rest) if rest else None


def wrapped(sound: Sound) -> tuple[Headers, str]:
    """Every name begins with what torch.compile adds."""
    return {f"_orig_mod.{name}": header for name, header in sound.headers.items()}, "_orig_mod"


def wrapped_blocks(sound: Sound) -> tuple[Headers, str]:
    """Names inside the blocks have what activation checkpointing adds."""
    prefix = re.compile(re.escape(sound.blocks.prefix) + r"\.(\d+)\.")
    return {prefix.sub(lambda m: f"{m[0]}_checkpoint_wrapped_module.", name): header
            for name, header in sound.headers.items()}, "_checkpoint_wrapped_module"  # fmt: skip


def not_gathered(sound: Sound) -> tuple[Headers, str]:
    """Every matrix is empty, as ZeRO-3 leaves it."""
    return {name: header if len(header.shape) < 2 else TensorHeader(header.dtype, (0,))
            for name, header in sound.headers.items()}, "empty"  # fmt: skip


def tensor_lost(sound: Sound) -> tuple[Headers, str] | None:
    """A matrix of the middle block is not stored."""
    return _lost(sound, _middle(sound))


def rare_tensor_lost(sound: Sound) -> tuple[Headers, str] | None:
    """A matrix of a block of the rarest kind is not stored."""
    return _lost(sound, _rare(sound))


def _lost(sound: Sound, index: int) -> tuple[Headers, str] | None:
    name = _matrix(sound, index)
    return None if name is None else ({n: h for n, h in sound.headers.items() if n != name}, _tail(name))


def block_lost(sound: Sound) -> tuple[Headers, str] | None:
    """No tensor of the middle block is stored."""
    names = {sound.blocks.name_of(_middle(sound), rest) for rest in sound.blocks.blocks[_middle(sound)]}
    return {n: h for n, h in sound.headers.items() if n not in names}, rf"\b{_middle(sound)}\b"


def tensor_cut(sound: Sound) -> tuple[Headers, str] | None:
    """A matrix of the middle block has fewer rows."""
    return _cut(sound, _middle(sound))


def rare_tensor_cut(sound: Sound) -> tuple[Headers, str] | None:
    """A matrix of a block of the rarest kind has fewer rows."""
    return _cut(sound, _rare(sound))


def tensor_renamed(sound: Sound) -> tuple[Headers, str] | None:
    """A matrix of the middle block has another name."""
    name = _matrix(sound, _middle(sound))
    if name is None:
        return None
    other = f"{name.removesuffix('.weight')}_renamed.weight"
    return {other if n == name else n: header for n, header in sound.headers.items()}, _tail(name)


def _cut(sound: Sound, index: int) -> tuple[Headers, str] | None:
    name = _matrix(sound, index)
    if name is None:
        return None
    header, rows = sound.headers[name], sound.headers[name].shape[0] - 1
    cut = {**sound.headers, name: TensorHeader(header.dtype, (rows, *header.shape[1:]))}
    return cut, rf"{_tail(name)}|\b{rows}\b"  # transformers has some under another name, and keys are also told as such


def stray_tensor(sound: Sound) -> tuple[Headers, str]:
    """The middle block has a tensor that no other has."""
    name = sound.blocks.name_of(_middle(sound), "extra_proj.weight")
    return {**sound.headers, name: TensorHeader("BF16", (3, 5))}, "extra_proj"


def only_vectors(sound: Sound) -> tuple[Headers, str] | None:
    """A merge wrote norms and biases, and no matrix."""
    vectors = {name: header for name, header in sound.headers.items() if len(header.shape) < 2}
    return (vectors, "parameters") if vectors else None


def depth_wrong(sound: Sound) -> tuple[Headers, str] | None:
    """config.json says one layer more."""
    path = sound.folder / "config.json"
    config = json.loads(path.read_text())
    for part in (config, *(value for key, value in config.items() if isinstance(value, dict) and "text" in key)):
        for key in ("num_hidden_layers", "n_layer", "n_layers", "num_layers"):
            if part.get(key) == len(sound.blocks.blocks):
                part[key] += 1
                path.write_text(json.dumps(config))
                return sound.headers, rf"\b({part[key]}|{part[key] - 1})\b"
    return None


def token_beyond(sound: Sound) -> tuple[Headers, str]:
    """The tokenizer has an added token without a row."""
    added = [{"id": 9_999_999, "content": "<added>"}]
    tokenizer = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": added}
    (sound.folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return sound.headers, "9,999,999"


DAMAGES: dict[str, Callable[[Sound], tuple[Headers, str] | None]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (wrapped, wrapped_blocks, not_gathered, tensor_lost, rare_tensor_lost, block_lost, tensor_cut,
                  rare_tensor_cut, tensor_renamed, stray_tensor, only_vectors, depth_wrong, token_beyond)
}  # fmt: skip
"""Each gives the damaged headers, and a pattern that a finding's message or place should fit; None where this model has
nothing that could be damaged so."""


def _tail(name: str) -> str:
    """The last two parts of a name, as a pattern."""
    return re.escape(".".join(name.split(".")[-2:]))


def headers_of(folder: Path) -> Headers:
    """Of the one weight file of a folder."""
    return read_header(folder / "model.safetensors")[0]


def write_headers(folder: Path, headers: Headers) -> None:
    """Replace the one weight file of a folder."""
    write_sparse(folder / "model.safetensors", headers)
