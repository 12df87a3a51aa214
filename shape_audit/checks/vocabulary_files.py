"""Tokens and their ids in the files that slow tokenizers are made from; {} where a file is not what its name says."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

LARGEST = 32 * 2**20
"""Bytes of a vocabulary file (tekken.json has 20 million); a larger one is none."""


def reader_of(name: str) -> Callable[[bytes], dict[str, int]] | None:
    """What reads a vocabulary file of this name; None where it is none."""
    if name.endswith(".tiktoken") and "/" not in name:
        return tiktoken_ids
    return _READERS.get(name)


def json_ids(content: bytes) -> dict[str, int]:
    """vocab.json: token -> id."""
    return numbers(_object(content))


def line_ids(content: bytes) -> dict[str, int]:
    """vocab.txt of BertTokenizer: a token a line, whose number is its id."""
    lines = content.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return {line.rstrip("\r"): number for number, line in enumerate(lines)}


def numbers(table: Mapping[str, Any]) -> dict[str, int]:
    """The entries whose value is a whole number."""
    return {token: number for token, number in table.items() if type(number) is int}


def tekken_ids(content: bytes) -> dict[str, int]:
    """tekken.json of mistral-common: special tokens first, then the vocabulary, cut at the size that is declared.

    Source: mistral_common, tokens/tokenizers/tekken.py (Tekkenizer.from_file).
    """
    document = _object(content)
    settings, entries = document.get("config"), document.get("vocab")
    if not isinstance(settings, dict) or not isinstance(entries, list):
        return {}
    size, special = settings.get("default_vocab_size"), settings.get("default_num_special_tokens")
    if type(size) is not int or type(special) is not int or not 0 <= special <= size:
        return {}
    tokens = {_token(entry): special + i for i, entry in enumerate(entries[: size - special])}
    named = document.get("special_tokens")
    for entry in named if isinstance(named, list) else ():
        if isinstance(entry, dict) and type(entry.get("rank")) is int:
            tokens[_token(entry)] = entry["rank"]
    return tokens


def _token(entry: Any) -> str:
    return str(entry.get("token_str") or entry.get("token_bytes")) if isinstance(entry, dict) else str(entry)


def tiktoken_ids(content: bytes) -> dict[str, int]:
    """Lines of a token in base64 and its rank, which is its id. Source: tiktoken/load.py, load_tiktoken_bpe."""
    tokens: dict[str, int] = {}
    for line in content.splitlines():
        token, _, rank = line.strip().partition(b" ")
        if not token and not rank:
            continue
        try:
            tokens[b64decode(token, validate=True).decode("utf-8", "backslashreplace")] = int(rank[:16])
        except (ValueError, binascii.Error):
            return {}
    return tokens


def _model_ids(content: bytes) -> dict[str, int]:
    """tokenizer.model is a SentencePiece model, or (Llama 3, Kimi) the lines of tiktoken."""
    return sentencepiece_ids(content) or tiktoken_ids(content)


def _object(content: bytes) -> dict[str, Any]:
    try:
        table = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def sentencepiece_ids(content: bytes) -> dict[str, int]:
    """Pieces of a SentencePiece model and their ids: the places at which they stand. Empty where it is no such model.

    Source: sentencepiece_model.proto; ModelProto.pieces is field 1, SentencePiece.piece its field 1, both
    length-delimited.
    """
    tokens: dict[str, int] = {}
    try:
        for field, value in _fields(content):
            if field == 1 and isinstance(value, bytes):
                piece = next(part for number, part in _fields(value) if number == 1)
                assert isinstance(piece, bytes)
                tokens[piece.decode("utf-8")] = len(tokens)
    except (ValueError, IndexError, StopIteration, AssertionError):
        return {}
    return tokens


def _fields(content: bytes) -> list[tuple[int, bytes | int]]:
    """(number, value) of the fields of a protocol-buffer message.

    Raises:
        ValueError, IndexError: it is none.
    """
    fields: list[tuple[int, bytes | int]] = []
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        value: bytes | int
        if key & 7 == 0:
            value, position = _varint(content, position)
        else:
            fixed = {1: 8, 5: 4}.get(key & 7)
            if fixed is None and key & 7 != 2:
                raise ValueError("no such wire type")
            size, position = (fixed, position) if fixed is not None else _varint(content, position)
            if position + size > len(content):
                raise ValueError("cut off")
            value, position = content[position : position + size], position + size
        fields.append((key >> 3, value))
    return fields


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("too long a number")


_READERS: Mapping[str, Callable[[bytes], dict[str, int]]] = {
    "vocab.json": json_ids,
    "vocab.txt": line_ids,
    "tekken.json": tekken_ids,
    "tokenizer.model": _model_ids,
    "tiktoken.model": tiktoken_ids,
    "spiece.model": sentencepiece_ids,
    "sentencepiece.bpe.model": sentencepiece_ids,
}
