"""Sites: where in the residual stream gradients are read."""

from __future__ import annotations

from dataclasses import dataclass

from shape_audit.errors import UsageError

EMBEDDING = "embedding"


@dataclass(frozen=True, order=True)
class Site:
    """A place in the residual stream.

    Attributes:
        position: 0 for the input of block 0, k + 1 for the output of block k.
    """

    position: int

    @property
    def name(self) -> str:
        return EMBEDDING if self.position == 0 else f"block.{self.position - 1}"


def parse_sites(text: str, depth: int) -> tuple[Site, ...]:
    """The sites meant by `all`, `embedding`, or a list such as `embedding,block.0,block.11`, in network order.

    Args:
        depth: number of blocks of the model.

    Raises:
        UsageError: an unknown site; the message says which there are.
    """
    every = {site.name: site for site in map(Site, range(depth + 1))}
    if text.strip() == "all":
        return tuple(every.values())
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in every]
    if unknown:
        raise UsageError(f"--sites: no site {unknown[0]!r}; there are all, {EMBEDDING}, block.0 ... block.{depth - 1}")
    return tuple(sorted({every[name] for name in names}))
