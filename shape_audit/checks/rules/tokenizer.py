"""SA6: tokenizer and generation settings that fit the model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import BUILDING, EMBEDDING, SPECIAL_TOKENS, key_of
from shape_audit.checks.token_ids import TOKENIZER_CONFIG
from shape_audit.checks.tokenizer_parts import has_vocabulary, tokenizer_parts
from shape_audit.hub import CONFIG_FILE

_MEDIA = re.compile("image|audio|video|vision|speech", re.IGNORECASE)
"""Placeholders that a text model shares with its multimodal kin and is never given (gemma-3-1b: <image_soft_token>)."""
SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")
SCALED_BY_FACTOR = ("linear", "dynamic", "yarn")
"""Rope types whose factor says how far they reach; llama3 and longrope are trained to reach further."""
GENERATION = "generation_config.json"


def _ids(config: Mapping[str, Any], key: str) -> list[int]:
    """The ids under a key, which may be one or a list; nothing where they are no numbers."""
    value = config.get(key)
    values = value if isinstance(value, list) else [value]
    return [number for number in values if type(number) is int]


def _ids_by_file(model: CheckedModel, key: str) -> dict[str, set[int]]:
    """File -> the ids it has under a key; config.json has some in its text part, by which the embedding is built."""
    ours = {*_ids(model.config, key), *_ids(model.text_config, key)}
    return {CONFIG_FILE: ours, GENERATION: {*_ids(model.generation_config, key)}}


def _rows(model: CheckedModel) -> int | None:
    """Rows of the token embedding, as stored or as promised."""
    stored = model.tensor_facts.vocab_size if model.tensor_facts else None
    return stored or (model.facts.vocab_size if model.facts else None)


def _tokens(model: CheckedModel) -> dict[str, int]:
    """Token -> id, of all files of the tokenizer."""
    return {token: number for tokens in model.token_ids.values() for token, number in tokens.items()}


@rule(
    "SA601", "tokenizer-larger-than-embedding", "error",
    why="An id beyond the embedding is an index error, on a GPU one that takes the process down.",
    fix="Resize the embedding (resize_token_embeddings(len(tokenizer))), or ship the tokenizer of training.",
    explains=("SA602", "SA603"),
)  # fmt: skip
def tokenizer_larger_than_embedding(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The tokenizer gives ids that the embedding has no row for."""
    rows = _rows(model)
    told: set[str] = set()
    for file, tokens in model.token_ids.items() if rows else ():
        beyond = {token: number for token, number in tokens.items() if rows and number >= rows and token not in told}
        if beyond:
            told |= set(beyond)
            largest = max(beyond, key=lambda token: beyond[token])
            tell = f"{len(beyond):,} tokens have larger ids (up to {beyond[largest]:,}, {largest!a:.40})"
            one = f"{largest!a:.40} has the id {beyond[largest]:,}"
            is_for_media = all(_MEDIA.search(token) for token in beyond)
            yield Seen(f"the embedding has {rows:,} rows, but {one if len(beyond) == 1 else tell}",
                       file=file, place="vocab", severity="note" if is_for_media else None,
                       about=(*_if_promised(model, beyond[largest], EMBEDDING),
                              *_keys_naming(model, set(beyond.values()))))  # fmt: skip


def _if_promised(model: CheckedModel, number: int, subject: str) -> tuple[str, ...]:
    """The subject, where the config promises a row for an id: that the embedding has none is then its own fault."""
    promised = model.facts.vocab_size if model.facts else None
    return (subject,) if promised and number < promised else ()


def _keys_naming(model: CheckedModel, ids: set[int]) -> Iterator[str]:
    """The keys of config.json and generation_config.json that name one of these ids."""
    for key in SPECIAL:
        yield from (key_of(file, key) for file, named in _ids_by_file(model, key).items() if ids & named)


@rule(
    "SA602", "special-token-out-of-range", "error", why="Generation that starts or pads with this id ends in an error.",
    fix="Set the id the tokenizer has for this token, or null.",
    explains=("SA313", "SA603"),
)  # fmt: skip
def special_token_out_of_range(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A special-token id in config.json or generation_config.json has no row in the embedding."""
    rows = _rows(model)
    files: dict[tuple[str, int], list[str]] = defaultdict(list)
    for key in SPECIAL if rows else ():
        for file, ids in _ids_by_file(model, key).items():
            for number in sorted(ids):
                if rows and not 0 <= number < rows and not (key == "pad_token_id" and number == -1):
                    files[key, number].append(file)
    if files:
        said = ", ".join(f"{key} = {number}" + f" (and in {GENERATION})" * (len(named) > 1)
                         for (key, number), named in files.items())  # fmt: skip
        largest, named = max(number for _, number in files), next(iter(files.values()))
        keys = [key_of(file, key) for (key, _), all_named in files.items() for file in all_named]
        builds = (BUILDING,) * any(key == "pad_token_id" for key, _ in files)
        yield Seen(f"{said}, but the embedding has {rows:,} rows", file=named[0], place=next(iter(files))[0],
                   about=(*_if_promised(model, largest, SPECIAL_TOKENS), *keys, *builds))  # fmt: skip


@rule(
    "SA603", "special-tokens-disagree", "warning",
    why="Which end-of-text token stops generation depends on which file a client reads.",
    fix="Make config.json, generation_config.json and the tokenizer name the same tokens.",
)  # fmt: skip
def special_tokens_disagree(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """config.json, generation_config.json and the tokenizer name different special tokens."""
    tokens, settings = _tokens(model), model.files.documents.get(TOKENIZER_CONFIG, {})
    for key in SPECIAL:
        ours, generation = _ids(model.config, key), _ids(model.generation_config, key)
        if ours and generation and not set(ours) & set(generation):
            yield Seen(f"{key} is {_said(ours)} in config.json, {_said(generation)} in {GENERATION}",
                       file=GENERATION, place=key, about=(key_of(CONFIG_FILE, key),))  # fmt: skip
        content = settings.get(key.removesuffix("_id"))
        text = content.get("content") if isinstance(content, dict) else content
        number = tokens.get(text) if isinstance(text, str) else None
        named = {*ours, *generation}
        if number is not None and named and number not in named:
            yield Seen(f"{key.removesuffix('_id')} of the tokenizer is {text} ({number}), but {key} is {_said(named)}",
                       file=TOKENIZER_CONFIG, place=key,
                       about=(key_of(CONFIG_FILE, key), key_of(GENERATION, key)))  # fmt: skip


def _said(ids: Any) -> str:
    return ", ".join(str(number) for number in sorted(ids))


@rule(
    "SA604", "rope-against-positions", "warning",
    why="Clients cut the context at max_position_embeddings; beyond what rope was scaled for, quality collapses.",
    fix="Set max_position_embeddings to factor * original_max_position_embeddings.",
)  # fmt: skip
def rope_against_positions(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """max_position_embeddings is not what rope is scaled to."""
    text, positions = model.text_config, model.facts.max_position_embeddings if model.facts else None
    settings = text.get("rope_parameters") or text.get("rope_scaling")
    if isinstance(settings, dict) and positions is not None:
        by_kind = [rope for rope in settings.values() if isinstance(rope, dict)]
        unlike = (_unlike_rope(rope, text, positions) for rope in by_kind or [settings])
        if seen := next(filter(None, unlike), None):
            yield Seen(f"max_position_embeddings = {positions}, {seen}", place="max_position_embeddings")


def _unlike_rope(rope: Mapping[str, Any], text: Mapping[str, Any], positions: int) -> str | None:
    """How many positions these settings of rope are made for, in words, where that is not what the config promises."""
    kind, factor = rope.get("rope_type") or rope.get("type"), rope.get("factor")
    original = rope.get("original_max_position_embeddings", text.get("original_max_position_embeddings"))
    if not _is_number(original):
        return None
    if original > positions:
        return f"less than the {original} that rope was trained on"
    if kind in SCALED_BY_FACTOR and _is_number(factor) and 0 < 1.01 * factor * original < positions:
        return f"but rope is scaled to {factor:g} x {original} = {factor * original:g}"
    return None


def _is_number(value: Any) -> TypeGuard[float]:
    """A number that can be multiplied by another one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


@rule(
    "SA605", "no-tokenizer", "note",
    why="Nobody can use a language model without its tokenizer.",
    fix="Save the tokenizer into the same folder: tokenizer.save_pretrained(FOLDER).",
)  # fmt: skip
def no_tokenizer(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """There is no tokenizer beside the weights; or there are parts of one, and none of them holds a vocabulary (a
    warning)."""
    settings = model.files.documents.get(TOKENIZER_CONFIG, {})
    names = [name for name in model.files.files if "/" not in name]
    named = settings.get("tokenizer_class") or model.config.get("tokenizer_class")
    if not model.files.weight_files or has_vocabulary(names, named if isinstance(named, str) else None):
        return
    parts = tokenizer_parts(names)
    if not parts:
        yield Seen("no tokenizer file lies beside the weights", place="tokenizer")
    elif not _brings_its_own_reader(settings, model.config):
        yield Seen(f"half a tokenizer: {' and '.join(parts)}, but no vocabulary (tokenizer.json, tokenizer.model, "
                   "vocab.json with merges.txt, vocab.txt or the like)",
                   file=TOKENIZER_CONFIG if TOKENIZER_CONFIG in parts else parts[0], place="tokenizer",
                   severity="warning")  # fmt: skip


def _brings_its_own_reader(settings: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether the tokenizer is made by code of the repository, which may read any file, or none."""
    named = config.get("auto_map")
    return bool(settings.get("auto_map")) or (isinstance(named, dict) and "AutoTokenizer" in named)
