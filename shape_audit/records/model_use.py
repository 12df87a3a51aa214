"""What a model does with its depth and its width."""

from __future__ import annotations

from statistics import median

from shape_audit.records.frozen import Frozen

CI = tuple[float, float] | None


class BlockNumbers(Frozen):
    """What one block does to the residual stream, over some positions of the windows.

    h_k is the stream after block k, u_k = h_k - h_(k-1), g_k the gradient of a window's loss (of whatever the
    protocol differentiates) with respect to h_k. All four are 0 for a block that adds nothing. `_ci` values are 95 %
    intervals, from 6 windows on; gradients are null before the first site that was measured, and all is
    null where there are no such positions: windows of one token have no other than the first.
    """

    block_influence: float | None
    """1 - mean cos(h_(k-1), h_k), as ShortGPT (arXiv 2403.03853) has it."""
    block_influence_ci: CI = None
    update_size: float | None
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


class RankStep(Frozen):
    """How many directions of the stream stand above a level of noise."""

    noise: float
    """Per channel, of the stream's root mean square over channels."""
    directions: float | None
    """Whose second moment is larger; the mean of two counts, each on windows that did not choose the directions."""
    directions_ci: CI = None


class SiteUse(Frozen):
    """How much of its width a site of the stream uses, without each window's position 0.

    With C the second moment of the stream there and G that of the gradients. `_ci` values are 95 % intervals, from 6
    windows on; numbers are null of fewer than 4 windows, and where no gradient was read.
    """

    name: str
    width: int
    """Channels, the most that any number here can be but for its error."""
    activation_effective_rank: float | None
    """tr(C)^2 / tr(C C)."""
    activation_effective_rank_ci: CI = None
    activation_effective_rank_unit: float | None
    """The same of the stream at length 1 at every token."""
    activation_effective_rank_unit_ci: CI = None
    activation_effective_rank_centred: float | None
    """The same of the stream without its mean."""
    activation_effective_rank_centred_ci: CI = None
    functional_rank: float | None
    """tr(C G)^2 / tr(C G C G): directions that are both active and matter. Equal in every basis of the stream."""
    functional_rank_ci: CI = None
    rank_staircase: list[RankStep]
    """From much noise to little."""
    activation_spectrum: list[float] | None = None
    """The largest eigenvalues of C, per token; null unless asked for."""


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
    """What a model does with its depth and its width."""

    blocks: list[BlockUse]
    sites: list[SiteUse] | None = None
    """Null where the width was not asked for."""
    summary: DepthSummary | None = None
    """Null where no block was left out."""

    @property
    def functional_share(self) -> float | None:
        """Functional rank of the width, at the median site; None where it is not known."""
        shares = [site.functional_rank / site.width for site in self.sites or () if site.functional_rank is not None]
        return median(shares) if shares else None
