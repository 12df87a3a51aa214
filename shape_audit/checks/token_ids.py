"""Which ids a tokenizer gives, by the file that says so: tokenizer.json, or what slow tokenizers are made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shape_audit.hub import Inspection

TOKENIZER, TOKENIZER_CONFIG, ADDED = "tokenizer.json", "tokenizer_config.json", "added_tokens.json"
VOCABULARY = "vocab.json"
SENTENCEPIECE = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
LARGEST = 16 * 2**20
"""Bytes of a vocabulary file; a larger one is none."""


def token_ids(files: Inspection) -> dict[str, dict[str, int]]:
    """File -> its tokens and their ids. Vocabulary files are read only where there is no tokenizer.json."""
    documents = files.documents
    found = {TOKENIZER: _fast(documents.get(TOKENIZER, {})), ADDED: _numbers(documents.get(ADDED, {})),
             TOKENIZER_CONFIG: _added_in_config(documents.get(TOKENIZER_CONFIG, {}))}  # fmt: skip
    if TOKENIZER not in files.files:
        for name in (VOCABULARY, *SENTENCEPIECE):
            if 0 < (files.files.get(name) or 0) <= LARGEST:
                content = files.local(name).read_bytes()
                found[name] = _vocabulary(content) if name == VOCABULARY else sentencepiece_ids(content)
    return {file: tokens for file, tokens in found.items() if tokens}


def _fast(document: Mapping[str, Any]) -> dict[str, int]:
    part = document.get("model")
    vocabulary = part.get("vocab") if isinstance(part, dict) else None
    tokens: dict[str, int] = {}
    if isinstance(vocabulary, dict):
        tokens = _numbers(vocabulary)
    elif isinstance(vocabulary, list):  # Unigram: [token, score], the id is the place
        tokens = {str(entry[0]): i for i, entry in enumerate(vocabulary) if isinstance(entry, list) and entry}
    added = document.get("added_tokens")
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, dict) and type(entry.get("id")) is int and isinstance(entry.get("content"), str):
            tokens[entry["content"]] = entry["id"]
    return tokens


def _numbers(table: Mapping[str, Any]) -> dict[str, int]:
    return {token: number for token, number in table.items() if type(number) is int}


def _added_in_config(settings: Mapping[str, Any]) -> dict[str, int]:
    added = settings.get("added_tokens_decoder")
    return {
        str(entry.get("content")): int(number)
        for number, entry in (added.items() if isinstance(added, dict) else ())
        if isinstance(entry, dict) and number.isascii() and number.isdecimal() and len(number) < 16
    }


def _vocabulary(content: bytes) -> dict[str, int]:
    try:
        table = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return _numbers(table) if isinstance(table, dict) else {}


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
