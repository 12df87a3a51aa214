"""Which weight matrices read the residual stream, and which rows of a fused one belong to which role.

q, k, v, gate and up of every block, the embedding and the unembedding. `data/reading_matrices.json` knows the modules
of each model type; a type that is not in it, or whose modules are not all found, is refused: no guess, no wrong number.

Several roles may share one stored matrix. Its rows then come in `groups` of equal size (1 where whole roles are
stacked, the number of heads where each head has its own q, k, v), and in each group every role has a `share`:

    phi3          1 group of [q of all heads | k of all key/value heads | v of all key/value heads]
    gpt_neox      H groups of [q | k | v], a head each; bloom likewise
    falcon        K groups of [q of H/K heads | k | v], or with one key and value for all 1 group of [q | k | v]
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from shape_audit.errors import NotAuditableError
from shape_audit.shipped import facts

FACTS = "reading_matrices"

EMBEDDING, UNEMBEDDING = "embedding", "unembedding"
BLOCK_ROLES = ("q", "k", "v", "gate", "up")
"""In this order, whichever of them there are; `up` is also what GPT-like models call fc_in, c_fc, fc1."""


class UnknownLayoutError(NotAuditableError):
    """A model type that the facts do not have."""


@dataclass(frozen=True)
class Part:
    """A role's rows of a fused matrix.

    Attributes:
        groups: how many equal groups the rows come in.
        shares: of every role in turn, over all groups, in units that divide the rows (heads, halves).
        index: which of them this one is.
    """

    groups: int
    shares: tuple[int, ...]
    index: int

    def span(self, rows: int) -> tuple[int, int]:
        """First row and end within each group, of a matrix of so many rows.

        Raises:
            NotAuditableError: the rows cannot be divided so.
        """
        units = sum(self.shares)
        if rows % units or any(share * (rows // units) % self.groups for share in self.shares):
            raise NotAuditableError(f"{rows} rows of a fused matrix are not {self.groups} groups of {self.shares}")
        sizes = [share * (rows // units) // self.groups for share in self.shares]
        begin = sum(sizes[: self.index])
        return begin, begin + sizes[self.index]


@dataclass(frozen=True)
class ReadingMatrix:
    """A matrix that reads the residual stream.

    Attributes:
        name: `block.3.q`, `embedding`, `unembedding`.
        module: name of the module that holds it: its tensor is `MODULE.weight`.
        is_transposed: stored as (in, out), as GPT-2's Conv1D does.
        part: which rows of the stored matrix it is; None for all.
    """

    name: str
    module: str
    is_transposed: bool = False
    part: Part | None = None

    @property
    def tensor(self) -> str:
        return f"{self.module}.weight"


def find_matrices(config: Any, names: Iterable[str], *, tied: bool = False) -> list[ReadingMatrix]:
    """All reading matrices of a model: the embedding, block by block, the unembedding.

    Args:
        config: of the model, as transformers has it; of several towers the text model's counts.
        names: of modules, in a model or (tensor names without `.weight`) in a checkpoint.
        tied: they are one matrix, under whichever of its two names it has.

    Raises:
        NotAuditableError: an architecture whose matrices are not known, or a module that is not there.
    """
    config = config.get_text_config()
    layout, available = _layout(config), set(names)
    frame = facts(FACTS)["frames"][layout["frame"]]
    has_embedding = any(re.fullmatch(frame["embedding"], name) for name in available)
    embedding = _only(frame["embedding" if has_embedding or not tied else "unembedding"], available, config)
    unembedding = embedding if tied else _only(frame["unembedding"], available, config)
    found = [ReadingMatrix(EMBEDDING, embedding)]
    for block in range(config.num_hidden_layers):
        of_block = {
            matrix.name: matrix
            for piece in layout["pieces"]
            for fact in facts(FACTS)["pieces"][piece]
            for matrix in _matrices(fact, block, frame["blocks"], available, config)
        }
        ordered = (f"block.{block}.{role}" for role in BLOCK_ROLES)
        found += [of_block[name] for name in ordered if name in of_block]
    return [*found, ReadingMatrix(UNEMBEDDING, unembedding)]


def roles_by_name() -> dict[str, str]:
    """The role of a matrix that holds one role alone, by the last part of its module's name."""
    alone = [fact for piece in facts(FACTS)["pieces"].values() for fact in piece if len(fact["parts"]) == 1]
    return {fact["module"].rpartition(".")[2]: fact["parts"][0] for fact in alone}


def _matrices(
    fact: dict[str, Any], block: int, blocks: str, available: Collection[str], config: Any
) -> Iterator[ReadingMatrix]:
    module = _only(rf"({blocks})\.{block}\.{re.escape(fact['module'])}", available, config)
    for index, role in enumerate(fact["parts"]):
        part = None
        if len(fact["parts"]) > 1:
            shares = tuple(_number(share, config) for share in fact["shares"])
            part = Part(_number(fact["groups"], config), shares, index)
        yield ReadingMatrix(f"block.{block}.{role}", module, fact.get("transposed", False), part)


def _only(pattern: str, available: Collection[str], config: Any) -> str:
    found = [name for name in available if re.fullmatch(pattern, name)]
    if len(found) != 1:
        raise NotAuditableError(f"weights of {config.model_type}: {len(found)} modules match {pattern}, not one")
    return found[0]


def _number(value: int | str, config: Any) -> int:
    """A number, or the config's value of that name."""
    return value if isinstance(value, int) else int(getattr(config, value))


def _layout(config: Any) -> dict[str, Any]:
    for layout in facts(FACTS)["layouts"]:
        if config.model_type in layout["model_types"] and all(
            bool(getattr(config, key)) is value for key, value in layout.get("when", {}).items()
        ):
            found: dict[str, Any] = layout
            return found
    raise UnknownLayoutError(f"which weights of {config.model_type} read the residual stream is not known")
