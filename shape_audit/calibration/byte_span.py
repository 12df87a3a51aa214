"""How many bytes of a text some ids stand for, where a character may be made of several ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from shape_audit.calibration.tokenizer import Encoding

_FALLBACK = re.compile(r"<0x[0-9A-Fa-f]{2}>")


def bytes_before(text: str, encoding: Encoding, count: int, tokens_of: Callable[[Sequence[int]], list[str]]) -> int:
    """UTF-8 bytes of the text that the first `count` ids stand for.

    White space that a tokenizer leaves out of its offsets belongs to the id behind it. Ids that are bytes repeat the
    offsets of their character: of a character that ids before and after the boundary make together, each has its own
    bytes, which its token tells; where tokens do not tell, all have the same share.

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
    sizes = [_bytes_of(token) for token in tokens_of(encoding.ids[first:behind])]
    inside = sum(sizes[: count - first]) if sum(sizes) == shared else shared * (count - first) // (behind - first)
    return len(text[:begin].encode()) + inside


def _bytes_of(token: str) -> int:
    """Of a token of bytes: in byte-level vocabularies a character stands for each, in others there is one a token."""
    return 1 if _FALLBACK.fullmatch(token) else len(token)
