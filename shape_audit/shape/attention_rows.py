"""What the attention matrices of a block say of its heads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from shape_audit.hub import TensorHeader
from shape_audit.shipped import facts

_FEED_FORWARD = ("mlp.", "ffn.", "feed_forward.", "block_sparse_moe.", "moe.", "ff_")


@dataclass(frozen=True)
class AttentionRows:
    """Widths of queries, keys and values, all heads together; None where the matrices do not tell.

    Attributes:
        query: output width of q_proj; where q, k and v are one matrix, that of the queries in it.
        output: input width of o_proj: what the heads give.
        head: of one head, by the length of the norm on its queries.
    """

    query: int | None
    key: int | None
    value: int | None
    output: int | None
    head: int | None

    @property
    def width(self) -> int | None:
        """Of all heads together. A query matrix may hold a gate besides; the output matrix does not."""
        return self.output or self.query

    def unlike(self, heads: int, shared: int | None, head_dim: int) -> str | None:
        """What is of another width than so many heads have, in words; None where nothing is.

        A query matrix may hold a gate besides. Where values are narrower than queries, so is what the heads give.

        Args:
            shared: heads of keys and values.
        """
        width = heads * head_dim
        given = {width, heads * (self.value // shared)} if self.value and shared else {width}
        if self.head not in (None, head_dim):
            return f"heads of {self.head}"
        if self.query not in (None, width, 2 * width if self.output == width else width):
            return f"queries of width {self.query}"
        if self.output is not None and self.output not in given:
            return f"heads that give {self.output} numbers"
        return None


def attention_rows(block: Mapping[str, TensorHeader], width: int) -> AttentionRows | None:
    """Read the attention matrices of one block.

    Args:
        width: of the residual stream, which these matrices read and write.

    Returns:
        None where there are none, or where keys and values are kept compressed (latent attention).
    """
    mixers = {name.partition(".")[0] for name in block if _is_of_mixer(name)}
    inside = {
        name: header
        for name, header in block.items()
        if not name.startswith(_FEED_FORWARD) and name.partition(".")[0] not in mixers and not _is_of_experts(name)
    }
    if any(_is("latent", name) for name in inside):
        return None
    found = {part: _other_side(inside, part, width) for part in ("query", "key", "value", "fused", "output")}
    query, key, value, output = found["query"], found["key"], found["value"], found["output"]
    if (fused := found["fused"]) is not None and query is None and output is not None and fused >= output:
        query, key, value = output, (fused - output) // 2, (fused - output) // 2
    if query is None and output is None:
        return None
    norm = next((h.shape for name, h in inside.items() if _is("head_norm", name)), ())
    head = norm[0] if len(norm) == 1 and (query or output or 0) > norm[0] else None
    return AttentionRows(query, key, value, output, head)


@lru_cache(maxsize=2**14)
def _is_of_mixer(name: str) -> bool:
    return re.search(facts("tensor_roles")["mixer"], f".{name}") is not None


@lru_cache(maxsize=2**14)
def _is_of_experts(name: str) -> bool:
    return re.search(facts("tensor_roles")["of_experts"], name) is not None


@lru_cache(maxsize=2**14)
def _is(part: str, name: str) -> bool:
    """Whether a name inside a block is that of a part of attention: asked once for all blocks."""
    return _pattern(part).search(name) is not None


@cache
def _pattern(part: str) -> re.Pattern[str]:
    return re.compile(facts("tensor_roles")["attention_rows"][part])


def _other_side(block: Mapping[str, TensorHeader], part: str, width: int) -> int | None:
    """The dimension of a matrix that is not the width, whichever way round it is stored."""
    for name, header in block.items():
        if len(header.shape) == 2 and width in header.shape and _is(part, name):
            return header.numel // width
    return None
