"""Where the ids of a tokenizer lie that does not tell: found by decoding them and laying the result along the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import takewhile
from typing import overload


class DecodedOffsets(Sequence[tuple[int, int]]):
    """(begin, end) of each id in characters of the text, looked up one at a time.

    Decoding the first k ids gives the text up to a place, but for white space and letter case, the rest of a word that
    goes on, and a character whose bytes are not all there yet: that place is as far as both agree. An id that completes
    no character shares the next one with those that do.
    """

    def __init__(self, text: str, ids: Sequence[int], prefix: int, decode: Callable[[Sequence[int]], str]) -> None:
        """Lay out ids.

        Args:
            text: what they encode.
            prefix: how many of the first ids stand for nothing in it.
            decode: ids -> text.
        """
        self._text, self._ids, self._prefix, self._decode = text, ids, prefix, decode
        self._ends: dict[int, int] = {}

    @cached_property
    def _is_plain(self) -> bool:
        """Whether decoding gives the very text."""
        return self._decoded(len(self._ids)) == self._text

    @cached_property
    def _letters(self) -> list[tuple[str, int]]:
        """The text's characters that decoding keeps, and where each ends."""
        kept = ((c, i + 1) for i, c in enumerate(self._text) if self._is_plain or not c.isspace())
        return [(c if self._is_plain else c.lower(), end) for c, end in kept]

    @cached_property
    def is_known(self) -> bool:
        """Whether all ids together decode to the text, so that the place of each can be known."""
        return [letter for letter, _ in self._letters] == self._comparable(self._decoded(len(self._ids)))

    def _decoded(self, count: int) -> str:
        return self._decode(self._ids[self._prefix : count])

    def _comparable(self, decoded: str) -> list[str]:
        return list(decoded) if self._is_plain else [c.lower() for c in decoded if not c.isspace()]

    def _end_of(self, count: int) -> int:
        """How far into the text the first `count` ids reach, in whole characters."""
        if count not in self._ends:
            pairs = zip(self._comparable(self._decoded(count)), self._letters, strict=False)
            common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1][0], pairs))
            self._ends[count] = self._letters[common - 1][1] if common else 0
        return self._ends[count]

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[int, int]]: ...
    def __getitem__(self, at: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        if at < self._prefix:
            return (0, 0)
        begin, end = self._end_of(at), self._end_of(at + 1)
        return (begin, end if end > begin else min(begin + 1, len(self._text)))
