"""Which ids a tokenizer gives, by the file that says so: tokenizer.json, or what slow tokenizers are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shape_audit.checks.vocabulary_files import LARGEST, numbers, reader_of
from shape_audit.hub import Inspection

TOKENIZER, TOKENIZER_CONFIG, ADDED = "tokenizer.json", "tokenizer_config.json", "added_tokens.json"


def token_ids(files: Inspection) -> dict[str, dict[str, int]]:
    """File -> its tokens and their ids. Vocabulary files are read only where there is no tokenizer.json."""
    documents = files.documents
    found = {TOKENIZER: _fast(documents.get(TOKENIZER, {})), ADDED: numbers(documents.get(ADDED, {})),
             TOKENIZER_CONFIG: _added_in_config(documents.get(TOKENIZER_CONFIG, {}))}  # fmt: skip
    if TOKENIZER not in files.files:
        for name, size in files.files.items():
            if (reader := reader_of(name)) is not None and 0 < (size or 0) <= LARGEST:
                found[name] = reader(files.local(name).read_bytes())
    return {file: tokens for file, tokens in found.items() if tokens}


def _fast(document: Mapping[str, Any]) -> dict[str, int]:
    part = document.get("model")
    vocabulary = part.get("vocab") if isinstance(part, dict) else None
    tokens: dict[str, int] = {}
    if isinstance(vocabulary, dict):
        tokens = numbers(vocabulary)
    elif isinstance(vocabulary, list):  # Unigram: [token, score], the id is the place
        tokens = {str(entry[0]): i for i, entry in enumerate(vocabulary) if isinstance(entry, list) and entry}
    added = document.get("added_tokens")
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, dict) and type(entry.get("id")) is int and isinstance(entry.get("content"), str):
            tokens[entry["content"]] = entry["id"]
    return tokens


def _added_in_config(settings: Mapping[str, Any]) -> dict[str, int]:
    added = settings.get("added_tokens_decoder")
    return {
        str(entry.get("content")): int(number)
        for number, entry in (added.items() if isinstance(added, dict) else ())
        if isinstance(entry, dict) and number.isascii() and number.isdecimal() and len(number) < 16
    }
