"""Pickles among bytes, and what they import. Opcodes are read as `pickletools` knows them; none is carried out.

A pickle runs as it is read: one that is cut off, or followed by anything, has done by then what stands before. So what
counts is not whether it ends well, but what it imports: GLOBAL, INST, and STACK_GLOBAL with two texts before it.
"""

from __future__ import annotations

import io
import pickletools
import re
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shape_audit.checks.executables.pickle_imports import COMPUTED, Import, harm

MOST_STREAMS = 64
"""Pickles that follow each other from the start of a file; torch's older files have five, and then raw numbers."""
MOST_CANDIDATES = 20_000
MOST_OPCODES = 1_000_000
"""Of a pickle; each may put something into the memo, which then takes memory."""
FEW = 5_000
"""Opcodes of a pickle after other bytes that are read."""
_CALLS = ("REDUCE", "OBJ", "INST", "NEWOBJ", "NEWOBJ_EX", "BUILD")
"""Opcodes that do something with what was imported. Without a header, only one of these tells a pickle from lines of
text: `cos`, `system` may stand below each other in a vocabulary, but `R` is followed by no line end."""
_HEADER = re.compile(rb"\x80[\x02-\x05]")
_GLOBAL = re.compile(rb"[ci]([A-Za-z_][\w.]{0,99})\r?\n([A-Za-z_][\w.]{0,99})\r?\n")
_STACK_GLOBAL = re.compile(rb"\x8c(.)([\w.]{1,100})\x94?\x8c(.)([\w.]{1,100})\x94?\x93", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_?][\w.]*")
_FAULTS = (ValueError, OverflowError, IndexError, struct.error)
_MEMOISED = ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT")


@dataclass(frozen=True)
class Pickled:
    """Pickles that were found.

    Attributes:
        imports: of all of them, sorted.
        is_whole: whether every one could be read to its end; what is beyond may import more.
    """

    imports: tuple[Import, ...]
    is_whole: bool


@dataclass(frozen=True)
class _Stream:
    """One pickle: what it imports, where it ends, whether it ends with STOP, and calls something it imported."""

    imports: frozenset[Import]
    end: int
    is_whole: bool
    calls: bool


def pickles_in(content: bytes, has_time: Callable[[], bool]) -> Pickled | None:
    """The pickles that begin a file, and those after other bytes that import what runs code; None where there is none.

    Args:
        has_time: asked now and then; where it says no, what was found by then is returned.
    """
    found: list[_Stream] = []
    begin = 0
    while len(found) < MOST_STREAMS and begin < len(content):
        stream = _read(content, begin, has_time)
        if not _is_pickle(content, begin, stream):
            break
        found.append(stream)
        begin = stream.end
        if not stream.is_whole:
            break
    imports = {one for stream in found for one in stream.imports}
    is_whole = all(stream.is_whole or stream.end < len(content) for stream in found)
    hidden = set(_hidden(content, imports, has_time))
    if not found and not hidden:
        return None
    return Pickled(tuple(sorted(imports | hidden)), is_whole)


def _is_pickle(content: bytes, begin: int, stream: _Stream) -> bool:
    has_header = _HEADER.match(content, begin) is not None
    if has_header and (stream.is_whole or stream.imports or stream.end == len(content)):
        return True
    if not stream.calls or not all(_NAME.fullmatch(part) for one in stream.imports for part in one):
        return False
    return stream.is_whole or any(harm(one) == "runs code" for one in stream.imports)


def _hidden(content: bytes, known: set[Import], has_time: Callable[[], bool]) -> Iterator[Import]:
    """Imports that run code, besides those known: of pickles after other bytes, in others' texts, after raw numbers."""
    for match in _STACK_GLOBAL.finditer(content):
        module, name = match[2], match[4]
        one = (module.decode(errors="replace"), name.decode(errors="replace"))
        if (match[1][0], match[3][0]) == (len(module), len(name)) and harm(one) == "runs code":
            yield one
    for match in islice(_GLOBAL.finditer(content), MOST_CANDIDATES):
        one = (match[1].decode(errors="replace"), match[2].decode(errors="replace"))
        if one not in known and harm(one) == "runs code" and _read(content, match.start(), has_time, FEW).calls:
            yield one
    for header in islice(_HEADER.finditer(content), MOST_CANDIDATES):
        if not has_time():
            return
        for one in _read(content, header.start(), has_time, FEW).imports - known:
            if one != COMPUTED and harm(one) == "runs code":
                yield one


def _read(content: bytes, begin: int, has_time: Callable[[], bool], most: int = MOST_OPCODES) -> _Stream:
    """One pickle's opcodes, or `most` of them, with no more of a stack than telling STACK_GLOBAL's texts takes."""
    source = io.BytesIO(content)
    source.seek(begin)
    stack: deque[str | None] = deque(maxlen=2)
    memo: dict[int, str | None] = {}
    imports: set[Import] = set()
    is_whole = calls = is_marked = False
    try:
        argument: Any
        for number, (opcode, argument, _) in enumerate(pickletools.genops(source)):
            if number == most or (number % 4096 == 4095 and not has_time()):
                source.seek(0, io.SEEK_END)  # as if it went on to there
                break
            name = opcode.name
            is_marked |= name == "MARK"
            if name in _MEMOISED:
                memo[len(memo) if argument is None else argument] = stack[-1] if stack else None
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                stack.append(memo.get(argument))
            elif name in ("GLOBAL", "INST"):
                module, _, rest = argument.partition(" ")
                imports.add((module, rest))
                stack.append(None)
            elif name == "STACK_GLOBAL":
                texts = [text for text in stack if text is not None]
                imports.add((texts[0], texts[1]) if len(texts) == 2 else COMPUTED)
                stack.append(None)
            elif name.startswith("EXT"):  # a number that copyreg's registry has a name for
                imports.add(COMPUTED)
            elif name not in ("PROTO", "FRAME"):
                stack.append(argument if isinstance(argument, str) else None)
            calls |= name in _CALLS and bool(imports) and (is_marked or name != "INST")
            is_whole = name == "STOP"
    except _FAULTS:
        pass
    return _Stream(frozenset(imports), source.tell(), is_whole, calls)
