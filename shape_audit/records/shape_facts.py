"""What is known about a model without its weights: its shape, and where that stands against an interval."""

from __future__ import annotations

from typing import Literal

from shape_audit.records.frozen import Frozen

MOST_UNKNOWN = 0.05
"""Share of the parameters beyond which those without a role make the other roles' shares meaningless."""

Side = Literal["inside", "shallow-wide", "deep-narrow"]


class Ledger(Frozen):
    """Parameters by what they do, counted from the tensors themselves; tied tensors once, buffers never."""

    embedding: int
    """Token and learned position embeddings."""
    unembedding: int
    """The output matrix and its bias; 0 where it is tied to the embedding."""
    attention: int
    feed_forward: int
    norms: int
    other: int
    """What has none of these places: projections between widths, for instance."""


class ModelShape(Frozen):
    """The shape of a decoder, in the names of `transformers` configs."""

    num_hidden_layers: int
    hidden_size: int
    """Width of the residual stream (of the first block, where `widths` differ)."""
    r_dw: float
    """Depth-width ratio: num_hidden_layers / hidden_size (per channel, dimensionless)."""
    intermediate_size: int | None
    feed_forward_ratio: float | None
    """intermediate_size / hidden_size."""
    num_attention_heads: int | None
    num_key_value_heads: int | None
    head_dim: int | None
    vocab_size: int | None
    max_position_embeddings: int | None
    tie_word_embeddings: bool
    is_dense: bool
    """False for mixtures of experts and for blocks that mix tokens by something else than attention."""
    params_total: int
    params_non_embedding: int
    """Without token and position embeddings and without the unembedding."""
    ledger: Ledger
    widths: list[int] | None
    """Width of each block, where they are not all `hidden_size`."""
    num_mtp_blocks: int = 0
    """Blocks for multi-token prediction that are stored besides; they are no layers."""
    params_mtp: int = 0
    """Their parameters, which no other count has."""
    quantization: str | None = None
    """How the weights are quantised; parameters are counted as the weights these stand for."""
    quantization_scales: int = 0
    """Scales, zero points and the like beside them, which are no parameters."""

    @property
    def has_known_roles(self) -> bool:
        """Whether the ledger tells what nearly all parameters do."""
        return self.ledger.other <= MOST_UNKNOWN * self.params_total


class Interval(Frozen):
    """An efficient interaction interval of R_D/W. A null end is open: the evidence does not bound it."""

    name: str
    low: float | None
    high: float | None
    source: str


class Placement(Frozen):
    """Where a shape stands against an interval."""

    interval: Interval
    side: Side | None
    """`shallow-wide` below the interval, `deep-narrow` above it; null where the model is not dense."""
    log_distance: float | None
    """ln(low / R) below, ln(R / high) above, 0 inside; null with `side`."""
    caveat: str
    """What the interval was derived from, in one clause that every report repeats."""
