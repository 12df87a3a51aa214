"""Sites: where in the residual stream gradients are read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shape_audit.errors import UsageError

EMBEDDING = "embedding"
_OUTPUT_POSITION, _INPUT_POSITION = -1, -2
_BLOCK = re.compile(r"block\.(\d{1,9})")


@dataclass(frozen=True, order=True)
class Site:
    """A place in the residual stream.

    Attributes:
        position: 0 for the input of block 0, k + 1 for the output of block k; -1 for the projected output, which is
            no place in the stream, and -2 for the one-hot inputs, before it.
    """

    position: int

    @property
    def name(self) -> str:
        if self.position == _OUTPUT_POSITION:
            return "output"
        if self.position == _INPUT_POSITION:
            return "input"
        return EMBEDDING if self.position == 0 else f"block.{self.position - 1}"


OUTPUT = Site(_OUTPUT_POSITION)
"""What `projected-output` measures."""
INPUT = Site(_INPUT_POSITION)
"""What `input-simplex` measures."""


def parse_sites(text: str, depth: int) -> tuple[Site, ...]:
    """The sites meant by `all`, `embedding`, or a list such as `embedding,block.0,block.11`, in network order.

    Args:
        depth: number of blocks of the model.

    Raises:
        UsageError: an unknown site; the message says which there are.
    """
    if text.strip() == "all":
        return tuple(map(Site, range(depth + 1)))
    return tuple(sorted({_site(name.strip(), depth) for name in text.split(",")}))


def _site(name: str, depth: int) -> Site:
    match = _BLOCK.fullmatch(name)
    if name == EMBEDDING:
        return Site(0)
    if match and int(match[1]) < depth:
        return Site(int(match[1]) + 1)
    raise UsageError(f"--sites: no site {name!r}; there are all, {EMBEDDING}, block.0 ... block.{depth - 1}")
