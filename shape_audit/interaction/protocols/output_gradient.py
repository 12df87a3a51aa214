"""Protocol `output-gradient`: the AGOP of the logits themselves, by random output cotangents.

For window s: v with independent signs +1, -1 over all T x V logits, g_t = d <v, logits> / d h_t, A_s = sum_t g_t g_t^T.
Since E[v v^T] is the identity, E[A_s] = sum_t J_t^T J_t with J_t the Jacobian of all logits with respect to h_t: no
target and no loss is involved. One cotangent a window: the U-statistic removes its noise like that of the text.

Corresponds to `compute_agop_metrics` in `shape_scan/mlp_agop_shape_scan.py` of the authors' code, which probes the
outputs of an MLP in the same way and differentiates with respect to its input. It departs from it in three things: it
reads a language model's residual stream; probes are signs and not Gaussian, which have the same mean and less noise;
and estimates use products of different windows only.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.draws import draws_of
from shape_audit.interaction.stream.backward import add_gradients
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import Site
from shape_audit.records import ModelShape


class OutputGradient:
    """The AGOP of the logits at every site."""

    name = "output-gradient"
    attn_implementation = None

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.parameters: Mapping[str, float | int | str] = {"cotangents_per_window": 1, "cotangent_seed": seed}

    def widths(self, sites: tuple[Site, ...], shape: ModelShape) -> dict[Site, int]:
        """Of each site that this protocol reads, among those chosen."""
        return dict.fromkeys(sites, shape.hidden_size)

    def cotangent(self, window: int, tokens: int, outputs: int) -> Tensor:
        """The signs of a window, int8 (T, V): of its number alone, so that micro-batches change nothing."""
        return torch.randint(0, 2, (tokens, outputs), generator=draws_of(self.seed, window), dtype=torch.int8) * 2 - 1

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """See `backward.add_gradients`."""

        def objective(logits_BTV: Tensor, losses_B: Tensor) -> Tensor:
            tokens, outputs = logits_BTV.shape[1:]
            signs = torch.stack([self.cotangent(batch.first + i, tokens, outputs) for i in range(len(batch))])
            return (logits_BTV * signs.to(logits_BTV)).sum((1, 2))

        return add_gradients(model, blocks, batch, sums, objective)
