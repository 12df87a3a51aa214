"""How many bytes of a text some ids stand for, where a character may be made of several ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from shape_audit.calibration.tokenizer import Encoding

_FALLBACK = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_SPACES = ("▁", "Ġ")
"""How SentencePiece and byte-level vocabularies write one."""


def bytes_before(text: str, encoding: Encoding, count: int, tokens_of: Callable[[Sequence[int]], list[str]]) -> int:
    """UTF-8 bytes of the text that the first `count` ids stand for.

    White space that a tokenizer leaves out of its offsets belongs to the id behind it. Ids that are bytes repeat the
    offsets of their character: of a character that ids before and after the boundary make together, each has its own
    bytes, which its token tells; where tokens do not tell, all have the same share. A space that the tokenizer puts
    before the text stands for no byte of it.

    Args:
        encoding: of the text, with offsets.
        tokens_of: ids -> their tokens as the vocabulary writes them.
    """
    offsets = encoding.offsets
    assert offsets is not None
    if count <= encoding.prefix:
        return 0
    end = offsets[count - 1][1]
    if count == len(encoding.ids) or offsets[count][0] >= end:
        return len(text[:end].encode())
    first, behind = count - 1, count + 1  # the ids [first, behind) that share characters over the boundary
    while first > encoding.prefix and offsets[first - 1][1] > offsets[first][0]:
        first -= 1
    while behind < len(encoding.ids) and offsets[behind][0] < offsets[behind - 1][1]:
        behind += 1
    begin = offsets[first][0]
    shared = len(text[begin : offsets[behind - 1][1]].encode())
    tokens = tokens_of(encoding.ids[first:behind])
    if first == encoding.prefix and not text[0].isspace() and not text.startswith(_SPACES):
        tokens[0] = tokens[0].removeprefix(next(filter(tokens[0].startswith, _SPACES), ""))
    inside = shared * (count - first) // (behind - first)
    for bytes_of in (len, lambda token: len(token.encode())):  # a character for each byte, as byte-level ones have it
        sizes = [1 if _FALLBACK.fullmatch(token) else bytes_of(token) for token in tokens]
        if sum(sizes) == shared:
            inside = sum(sizes[: count - first])
            break
    return len(text[:begin].encode()) + inside
