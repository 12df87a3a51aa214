"""Protocol `loss-gradient`: gradients of the next-token cross-entropy with respect to the residual stream.

For window s: l_s = sum_t CE_t in nats, g_t = d l_s / d h_t, A_s = sum_t g_t g_t^T.

Corresponds to `compute_embedding_channel_agop_metrics` in `shape_scan/transformer_shape_scan.py` of the authors' code,
the paper's protocol for language models; its G, the mean over tokens of g g^T, is ours. It departs from it in two
things: every site is read and not the embedding alone, since interaction changes with depth; and estimates use
products of different windows only, since plug-in energies grow with noise and width. (The embedding site is the input
of block 0. Theirs is the token embedding, before positions are added: the same gradient wherever nothing but an
addition lies between. A gradient there is of everything downstream: where a model feeds the same tensor into later
blocks too, by the stream and by that side path.)
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.stream.backward import add_gradients
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import Site
from shape_audit.records import ModelShape


class LossGradient:
    """The default protocol."""

    name = "loss-gradient"
    attn_implementation = None
    parameters: Mapping[str, float | int | str] = {}

    def widths(self, sites: tuple[Site, ...], shape: ModelShape) -> dict[Site, int]:
        """Of each site that this protocol reads, among those chosen."""
        return dict.fromkeys(sites, shape.hidden_size)

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """See `backward.add_gradients`."""
        return add_gradients(model, blocks, batch, sums, lambda logits_BTV, losses_B: losses_B)
