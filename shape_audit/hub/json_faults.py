"""Why a text is no JSON, and what strict readers refuse in one that Python reads: with the line, in words."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

JsonOddity = Literal["duplicate-key", "lenient-json"]

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
"""The longer ones first: that of UTF-32 begins with that of UTF-16."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN|[{}\[\],:\n]', re.DOTALL)
LFS_POINTER = "version https://git-lfs"
"""The beginning of what Git has in the place of a large file that was not fetched."""
NOT_FETCHED = "a pointer of Git LFS in place of the file; run `git lfs pull`"
_CONFLICT = re.compile(r"<{7} |={7}\n|>{7} ")
_PYTHON_WORD = re.compile(r"True|False|None|nan|inf\b|undefined")


def why_not_json(text: bytes, error: Exception) -> str:
    """What keeps a text from being read, given the exception that its reading ended with."""
    if text.startswith(codecs.BOM_UTF8):
        return "it begins with a byte order mark (U+FEFF, as utf-8-sig writes it); save it as plain UTF-8"
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if text.startswith(mark):
            return f"it is encoded in {encoding} (it begins with its byte order mark); save it as UTF-8"
    if 0 in text[:4]:
        return "it is encoded in UTF-16 or UTF-32, or binary; save it as UTF-8"
    if isinstance(error, UnicodeDecodeError):
        line = text.count(b"\n", 0, error.start) + 1
        return f"line {line} holds the byte 0x{text[error.start]:02x}, which is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a surrogate pair, which is no character"
    if isinstance(error, RecursionError):
        return "its lists and objects are nested beyond reason"
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}: {_reason(error)}"
    return "a number in it has too many digits"


def _reason(error: json.JSONDecodeError) -> str:
    """In the words of whoever must mend it; the parser's own where nothing better is known."""
    before, after = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if error.doc.startswith(LFS_POINTER):
        return NOT_FETCHED
    if _CONFLICT.match(after):
        return "the marks of a merge conflict"
    if after.startswith("<"):
        return "a web page (HTML or XML) in place of the file"
    if not error.doc.strip("\0 \t\r\n"):
        return "the file is empty" if not error.doc else "the file holds nothing but blanks"
    if after.startswith(("//", "/*", "#")):
        return f"a comment ({after[:2].strip()}), which JSON does not have"
    if after[:1] in ("}", "]") and before.endswith(","):
        return f"a comma before the closing {after[0]}"
    if before.endswith(",") and error.msg.startswith("Illegal trailing comma"):
        return "a comma after the last entry"
    if after.startswith("'"):
        return "single quotes, where JSON has double ones"
    if word := _PYTHON_WORD.match(after):
        return f"{word[0]}, which is not a value of JSON"
    if not after:
        return "the file ends in the middle: it is cut off"
    if error.msg.startswith("Unterminated string"):
        return "a text that does not end; the file may be cut off"
    if error.msg == "Extra data":
        return "more text after the end of the object"
    return error.msg[:1].lower() + error.msg[1:]


def json_oddities(text: bytes) -> Iterator[tuple[JsonOddity, str, tuple[str, ...]]]:
    """What is wrong with JSON that Python reads all the same: keys named twice (these too), and Infinity and NaN."""
    repeated: list[str] = []
    constants: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            repeated.extend(key for key in dict.fromkeys(keys) if keys.count(key) > 1)

    json.loads(text, object_pairs_hook=look, parse_constant=constants.append)
    if not repeated and not constants:
        return
    twice, bare = _lines(text.decode("utf-8"))
    if repeated:
        lines = f" (line {twice[0]} and again line {twice[1]})" if twice else ""
        yield "duplicate-key", f"names the key {repeated[0]!a:.80} twice{lines}", tuple(repeated)
    if constants:
        words = ", ".join(f"{word} in line {line}" for word, line in bare[:3]) + (" ..." if bare[3:] else "")
        yield "lenient-json", f"holds {words}: not JSON, though Python reads and writes it", ()


def _lines(text: str) -> tuple[tuple[int, int] | None, list[tuple[str, int]]]:
    """The lines of the first key that its object names twice, and of every bare Infinity or NaN."""
    twice: tuple[int, int] | None = None
    bare: list[tuple[str, int]] = []
    open_objects: list[dict[str, int]] = []
    line, last = 1, ("", 0)
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in ("{", "["):
            open_objects.append({})
        elif token in ("}", "]") and open_objects:
            open_objects.pop()
        elif token == ":" and open_objects:
            key = json.loads(last[0])
            if twice is None and key in open_objects[-1]:
                twice = (open_objects[-1][key], last[1])
            open_objects[-1].setdefault(key, last[1])
        elif token.endswith(("Infinity", "NaN")) and not token.startswith('"'):
            bare.append((token, line))
        if token.startswith('"'):
            last = (token, line)
        line += token.count("\n")
    return twice, bare
