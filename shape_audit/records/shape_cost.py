"""What a shape costs: in loss, against the best shape of its size, and when the model is served."""

from __future__ import annotations

from typing import Literal

from shape_audit.records.frozen import Frozen

Basis = Literal["non-embedding", "total"]
"""Which parameters the compared shapes have in common."""
Price = Literal["tokens", "training-time"]
"""What else they have in common: the tokens they are trained on, or the time their training takes."""


class ShapeCost(Frozen):
    """How much more loss a shape has than the best one, by one yardstick."""

    yardstick: str
    description: str
    """What the yardstick rests on, as a report puts it behind "by"."""
    basis: Basis
    price: Price
    loss_excess: float
    """Loss over that of the best shape, less 1: 0.01 is one per cent."""
    loss_excess_ci: tuple[float, float] | None
    """95 %, over the shapes of the yardstick resampled; it starts at 0 where the model's shape may be the best."""
    best_r_dw: float
    best_r_dw_ci: tuple[float, float] | None
    equivalent_params_fraction: float | None
    """The fraction of its non-embedding parameters that the best shape could do without, to have this loss."""
    tokens: float | None
    """Training tokens at which time is compared; null at equal tokens."""
    extrapolates: list[str]
    """What of the model lies beyond the yardstick's models: params, r_dw, tokens."""


class Serving(Frozen):
    """What depth and width cost when the model is run, from config.json and the parameter counts."""

    kv_cache_bytes_per_token: int | None
    """What the cache grows by with each token, all layers together, while no sliding window is full; null where the
    config does not tell."""
    kv_cache_bytes_per_token_beyond_windows: int | None
    """The same once the sliding windows are full: of the layers that see all tokens."""
    kv_cache_dtype: str
    """As config.json names it."""
    forward_flops_per_token: int
    """Two for each weight of a matrix that a token passes, the output matrix included, the scores of attention not."""
    sequential_blocks: int
    """Blocks that a token goes through in sequence."""
