"""Families of dense decoders: how many parameters a shape has in each, which sizes are usual, how its config looks.

The counts are closed forms, linear in the depth: a block is a list of tensors, each a product of sizes ("f d" is
intermediate_size * hidden_size), and so is what stands outside of the blocks. All of it is `data/model_families.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from shape_audit.errors import UsageError, did_you_mean
from shape_audit.records import Ledger
from shape_audit.shape.hardware_sizes import LARGE_TILE, TENSOR_PARALLEL, TILE
from shape_audit.shipped import facts

Counts = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Sizes:
    """Everything the number of parameters follows from. Heads together are as wide as the residual stream."""

    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    tie_word_embeddings: bool


@dataclass(frozen=True)
class Family:
    """One family, as `data/model_families.json` has it.

    Attributes:
        feed_forward_ratio: numerator and denominator of the usual intermediate_size / hidden_size.
        head_dims: the usual ones, the first preferred.
        queries_per_key_value_head: what is usual; None where every query head has its own.
        tied_up_to: parameters up to which embedding and output matrix are usually one; None for always, 0 for never.
        block, outside: role of the ledger -> tensors, each as the symbols of its sizes.
        keys: key of config.json -> field of `Sizes`.
        config: what else its config.json says.
    """

    name: str
    model_type: str
    architecture: str
    feed_forward_ratio: tuple[int, int]
    head_dims: tuple[int, ...]
    queries_per_key_value_head: int | None
    vocab_size: int
    max_position_embeddings: int
    tied_up_to: float | None
    block: Counts
    outside: Counts
    keys: Mapping[str, str]
    config: Mapping[str, Any]

    def ledger(self, sizes: Sizes) -> Ledger:
        """The parameters of a shape by role, each tensor once."""
        values = _values(sizes)
        counts = dict.fromkeys(Ledger.model_fields, 0)
        for times, tensors in ((sizes.num_hidden_layers, self.block), (1, self.outside)):
            for role, products in tensors.items():
                if role != "unembedding" or not sizes.tie_word_embeddings:
                    counts[role] += times * _elements(products, values)
        return Ledger(**counts)

    def linear_count(self, sizes: Sizes, *, non_embedding: bool = False) -> tuple[int, int]:
        """Parameters outside of the blocks, and those of one block; `num_hidden_layers` does not matter.

        Args:
            non_embedding: leave out token and position embeddings and the unembedding.
        """
        values = _values(sizes)
        left_out = {"embedding", "unembedding"} if non_embedding else set()
        if sizes.tie_word_embeddings:
            left_out.add("unembedding")
        outside = sum(_elements(products, values) for role, products in self.outside.items() if role not in left_out)
        return outside, sum(_elements(products, values) for products in self.block.values())

    def usual_feed_forward(self, hidden_size: int) -> int:
        """The multiple of 128 (of 64 where the width is none of 128) nearest to the usual ratio, the lower of two."""
        above, below = self.feed_forward_ratio
        tile = LARGE_TILE if hidden_size % LARGE_TILE == 0 else TILE
        return max(1, -((below * tile - 2 * above * hidden_size) // (2 * below * tile))) * tile

    def usual_key_value_heads(self, num_attention_heads: int) -> int:
        """A divisor of the heads near to what is usual, that splits as far as they do for tensor parallelism."""
        if self.queries_per_key_value_head is None:
            return num_attention_heads
        splits = math.gcd(num_attention_heads, max(TENSOR_PARALLEL))
        wanted = num_attention_heads / self.queries_per_key_value_head
        divisors = [n for n in range(splits, num_attention_heads + 1, splits) if num_attention_heads % n == 0]
        return min(divisors, key=lambda heads: abs(math.log(heads / wanted)))

    def ties(self, params: int) -> bool:
        """Whether models of this size usually tie embedding and output matrix."""
        return self.tied_up_to is None or params <= self.tied_up_to

    def config_of(self, sizes: Sizes) -> dict[str, Any]:
        """The content of config.json. Token ids are null: they are the tokenizer's, which nobody has named here."""
        return {
            "architectures": [self.architecture],
            "model_type": self.model_type,
            **{key: getattr(sizes, field) for key, field in self.keys.items()},
            **self.config,
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": None,
        }


def _values(sizes: Sizes) -> dict[str, int]:
    """Symbol -> size; the legend stands in the data file."""
    return {
        "d": sizes.hidden_size,
        "f": sizes.intermediate_size,
        "q": sizes.num_attention_heads * sizes.head_dim,
        "k": sizes.num_key_value_heads * sizes.head_dim,
        "h": sizes.head_dim,
        "v": sizes.vocab_size,
        "p": sizes.max_position_embeddings,
    }


def _elements(products: Sequence[str], values: Mapping[str, int]) -> int:
    return sum(math.prod(values[symbol] for symbol in product.split()) for product in products)


@cache
def families() -> dict[str, Family]:
    """Name -> family, of all that are known."""
    table = facts("model_families")
    return {
        name: Family(
            name=name,
            model_type=entry["model_type"],
            architecture=entry["architecture"],
            feed_forward_ratio=tuple(entry["feed_forward_ratio"]),
            head_dims=tuple(entry["head_dims"]),
            queries_per_key_value_head=entry["queries_per_key_value_head"],
            vocab_size=entry["vocab_size"],
            max_position_embeddings=entry["max_position_embeddings"],
            tied_up_to=entry["tied_up_to"],
            block=entry["block"],
            outside=entry["outside"],
            keys=entry.get("keys", table["keys"]),
            config=entry["config"],
        )
        for name, entry in table["families"].items()
    }


def family_named(name: str) -> Family:
    """A family by its name.

    Raises:
        UsageError: none is called so; the nearest one is suggested.
    """
    found = families().get(name)
    if found is None:
        advice = did_you_mean(name.lower(), families()) or f"; there are: {', '.join(families())}"
        raise UsageError(f"--family {name}: no such family{advice}")
    return found
