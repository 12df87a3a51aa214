"""What a model does with its depth and its width."""

from __future__ import annotations

from shape_audit.records.frozen import Frozen

CI = tuple[float, float] | None


class BlockNumbers(Frozen):
    """What one block does to the residual stream, over some positions of the windows.

    h_k is the stream after block k, u_k = h_k - h_(k-1), g_k the gradient of a window's loss (of whatever the
    protocol differentiates) with respect to h_k. All four are 0 for a block that adds nothing. `_ci` values are 95 %
    intervals, from 6 windows on; gradients are null before the first site that was measured.
    """

    block_influence: float
    """1 - mean cos(h_(k-1), h_k), as ShortGPT (arXiv 2403.03853) has it."""
    block_influence_ci: CI = None
    update_size: float
    """Mean |u_k| / |h_(k-1)|."""
    update_size_ci: CI = None
    gradient_influence: float | None
    """Sum of |g_(k-1) - g_k|^2 over the sum of |g_k|^2."""
    gradient_influence_ci: CI = None
    first_order_saving: float | None
    """-mean <g_k, u_k>, nats per token: to first order what the loss rises by where the block is left out."""
    first_order_saving_ci: CI = None


class BlockUse(BlockNumbers):
    """One block, without each window's position 0, where many models park activations a hundred times as large."""

    name: str
    """`block.K`."""
    with_first_position: BlockNumbers
    """The same with it."""
    skip_loss: float | None = None
    """Rise of the loss, nats per token, where the block is left out; null where that was not measured."""
    skip_loss_ci: CI = None


class SpanUse(Frozen):
    """Contiguous blocks that were left out together: the cheapest ones of that length, of those that were tried."""

    first: str
    last: str
    skip_loss: float
    """Nats per token."""
    skip_loss_ci: CI = None


class DepthSummary(Frozen):
    """What leaving out blocks says about the depth. That a block can be left out is no proof that it is a waste: the
    others were trained with it, and what is lost may lie elsewhere than in this text."""

    windows: int
    """On which blocks were left out."""
    nats_per_token: float
    """Loss of the whole model there."""
    cheap_blocks: list[str]
    """Those that raise it by less than 1 % each."""
    spans: list[SpanUse]
    rank_correlations: dict[str, float | None]
    """Number of a block -> Spearman correlation over blocks with what leaving it out costs; null of equal numbers."""


class ModelUse(Frozen):
    """What a model does with its depth."""

    blocks: list[BlockUse]
    summary: DepthSummary | None = None
    """Null where no block was left out."""
