"""How large a tokenizer is, and how much longer it can make a text before it is cut into tokens.

A few rules of a tokenizer.json that replace a character by a thousand, one after the other, make of a word more than
there is memory, and the library then aborts the process. So the rules are multiplied out first.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError, NotAuditableError
from shape_audit.hub import tokenizer_file_names
from shape_audit.records import read_small_file

LARGEST_FILE = 128 * 2**20
"""Bytes. The vocabularies of today have up to 40 MB."""
MOST_GROWTH = 1000
"""Times a text's length in bytes. Real tokenizers stay below 200, by the longest ligatures there are."""
_GROWTH = {"ByteLevel": 2, "BertNormalizer": 9, "NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18, "Lowercase": 3, "Nmt": 1}
"""Type of a rule -> how much longer it can make a text, at most (Unicode Standard Annex 15, table 6)."""
_INSIDE = ("normalizers", "pretokenizers", "decoders")
_PARTS = ("normalizer", "pre_tokenizer", "decoder")


def check_tokenizer_files(folder: Path, subject: str) -> None:
    """Refuse, before it is loaded, a tokenizer that would take far more memory than any real one does.

    Args:
        folder: holds the tokenizer files.
        subject: the model's name, for messages.

    Raises:
        IncompleteError: a file is absurdly large.
        NotAuditableError: its rules can make a text absurdly long, or it names other files to load.
    """
    for name in tokenizer_file_names(folder):
        size = (folder / name).stat().st_size
        if size > LARGEST_FILE:
            raise IncompleteError(f"{subject}: {name} has {size:,} bytes: no tokenizer's file is so large")
    settings = _json(folder / "tokenizer_config.json")
    if "fast_tokenizer_files" in settings:  # by its meaning: JSON can spell a key in many ways
        raise NotAuditableError(
            f"{subject}: tokenizer_config.json names other files to load (fast_tokenizer_files), which this audit "
            "does not follow"
        )
    document = _json(folder / "tokenizer.json")
    for part in _PARTS:
        _check_growth(growth(document.get(part)), part, subject)


def check_loaded_tokenizer(tokenizer: Any, subject: str) -> None:
    """The same of a tokenizer that was loaded, from whatever files its rules are.

    Raises:
        NotAuditableError: its rules can make a text absurdly long.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    for part in _PARTS:
        rule = getattr(backend, part, None)
        if rule is not None:
            _check_growth(growth(json.loads(rule.__getstate__())), part, subject)


def growth(rule: Any) -> float:
    """By what factor, at most, a rule of a tokenizer.json makes a text longer in bytes."""
    return math.prod(_one_growth(one) for one in _rules(rule))


def _check_growth(factor: float, part: str, subject: str) -> None:
    if factor > MOST_GROWTH:
        raise NotAuditableError(
            f"{subject}: its tokenizer's {part} can make a text {factor:,.0f} times as long, which would take all "
            "memory; such a tokenizer is not used"
        )


def _rules(rule: Any) -> Iterator[Mapping[str, Any]]:
    """A rule, or those of a sequence of them, however deep."""
    todo = [rule]
    while todo:
        one = todo.pop()
        if not isinstance(one, dict):
            continue
        inside = [part for key in _INSIDE if isinstance(one.get(key), list) for part in one[key]]
        todo += inside
        if not inside:
            yield one


def _one_growth(rule: Mapping[str, Any]) -> float:
    kind = rule.get("type")
    if kind == "Replace":
        pattern = rule.get("pattern")
        literal = pattern.get("String") if isinstance(pattern, dict) else None
        least = len(literal.encode("utf-8", "replace")) if isinstance(literal, str) else 0
        content = len(str(rule.get("content", "")).encode("utf-8", "replace"))
        # a regular expression may match between any two characters, where nothing is taken away
        return max(1.0, content / least) if least else 1.0 + content
    if kind == "Prepend":
        return 1.0 + len(str(rule.get("prepend", "")).encode("utf-8", "replace"))
    if kind == "Precompiled":
        return _longest_replacement(rule.get("precompiled_charsmap"))
    return float(_GROWTH.get(str(kind), 1))


def _longest_replacement(charsmap: Any) -> float:
    """Bytes of the longest text in a SentencePiece character map: the length of a trie, the trie, texts that end in 0.

    Source: sentencepiece, normalizer.cc (Normalizer::DecodePrecompiledCharsMap).
    """
    try:
        content = base64.b64decode(charsmap)
    except (TypeError, ValueError):
        return 1.0
    texts = content[4 + int.from_bytes(content[:4], "little") :]
    return float(max(map(len, texts.split(b"\0")), default=1) or 1)


def _json(path: Path) -> Mapping[str, Any]:
    """An object; empty where there is none that can be read: whoever loads it says so."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(read_small_file(path, limit=LARGEST_FILE))
    except (IncompleteError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
