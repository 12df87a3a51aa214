"""What a sweep has found of one model."""

from __future__ import annotations

from shape_audit.records.frozen import Frozen
from shape_audit.records.sweep_plan import Precision


class SweepRow(Frozen):
    """One trained model: a line of the sweep's table, whose columns are these names in this order.

    Cross-entropies are in nats per byte. The columns of the two protocols begin with their names and are never to be
    compared with each other; where a column does not say `plugin`, it is a U-statistic (see `SiteInteraction`).
    """

    name: str
    """Of the folder below models/."""
    family: str
    target_params: int
    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    head_dim: int
    r_dw: float
    params: int
    params_non_embedding: int
    miss: float
    seed: int
    learning_rate: float
    tokens_per_param: float | None = None
    """The length, of the parameters of the budget; null in tables written before sweeps had several."""
    tokens: int
    steps: int
    flops: float
    train_ce: float
    """Mean over the last tenth of the steps, each on its own batch."""
    val_ce: float | None
    test_ce: float
    test_bytes: int
    """Predicted for `test_ce`."""
    wtw_aofe_ratio: float | None
    """AOFE-ratio of E^T E, E the token embedding, as in the authors' table; null where E is zero."""
    loss_gradient_windows: int
    loss_gradient_embedding_aofe: float | None
    loss_gradient_embedding_aofe_low: float | None
    loss_gradient_embedding_aofe_high: float | None
    loss_gradient_embedding_aofe_ratio: float | None
    loss_gradient_embedding_aofe_ratio_low: float | None
    loss_gradient_embedding_aofe_ratio_high: float | None
    loss_gradient_embedding_aofe_ratio_plugin: float | None
    loss_gradient_embedding_effective_rank: float | None = None
    """With the next seven and their like at the last block, null in tables written before schema 2 of records."""
    loss_gradient_embedding_aofe_ratio_random_basis: float | None = None
    loss_gradient_embedding_aofe_ratio_excess: float | None = None
    loss_gradient_embedding_aofe_ratio_excess_low: float | None = None
    loss_gradient_embedding_aofe_ratio_excess_high: float | None = None
    loss_gradient_embedding_channel_alignment: float | None = None
    loss_gradient_embedding_channel_alignment_low: float | None = None
    loss_gradient_embedding_channel_alignment_high: float | None = None
    loss_gradient_last_aofe: float | None
    """At the output of the last block."""
    loss_gradient_last_aofe_ratio: float | None
    loss_gradient_last_aofe_ratio_low: float | None
    loss_gradient_last_aofe_ratio_high: float | None
    loss_gradient_last_effective_rank: float | None = None
    loss_gradient_last_aofe_ratio_random_basis: float | None = None
    loss_gradient_last_aofe_ratio_excess: float | None = None
    loss_gradient_last_aofe_ratio_excess_low: float | None = None
    loss_gradient_last_aofe_ratio_excess_high: float | None = None
    loss_gradient_last_channel_alignment: float | None = None
    loss_gradient_last_channel_alignment_low: float | None = None
    loss_gradient_last_channel_alignment_high: float | None = None
    loss_gradient_mean_aofe_ratio: float | None
    """Mean over all sites."""
    projected_output_windows: int
    projected_output_aofe: float | None
    projected_output_aofe_low: float | None
    projected_output_aofe_high: float | None
    projected_output_aofe_ratio: float | None
    projected_output_aofe_ratio_low: float | None
    projected_output_aofe_ratio_high: float | None
    projected_output_aofe_ratio_plugin: float | None
    train_seconds: float
    precision: Precision
    device: str
    processes: int
    threads: int
    revision: str
    """Of the model's folder, as audit records name it."""
