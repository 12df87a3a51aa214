"""Protocol `projected-output`: how projected logits respond together to changes of the input embeddings.

    G = E[ P J J^T P^T ]   (64 x 64)

with J the Jacobian of the LAST position's logits with respect to the embeddings of all inputs (the output of the token
embedding), and P Gaussian, entries N(0, 1/64). For window s one tangent u with independent N(0, 1) entries gives
y = P J u by a forward-mode product, and A_s = y y^T.

Corresponds to `estimate_agop_ntp` in `budget_scaling/transformer_ntp_shape_sweep.py` of the authors' code, which made
the AOFE columns of their sweep table, and to their script for open models. It departs from them in three things: P
depends on nothing but the vocabulary's size and the windows are the same for every model (in the script for open
models both change with the model's name); one tangent a window over many windows instead of eight over sixteen, which
gives similar noise in less time (benchmarks/projected_output.py); and the U-statistic, which removes the noise of
tangents too (n rank-one Gaussian samples in d dimensions read a plug-in AOFE-ratio of (d - 1) / (d + n + 1) where
nothing interacts: 0.33 for their 128 in 64). Forward mode fails under fused attention, so the mode runs eager
attention.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.draws import draws_of
from shape_audit.interaction.protocols.forward_softmax import ForwardSoftmax
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import OUTPUT, Site
from shape_audit.models import exact_logits, window_losses
from shape_audit.records import ModelShape

PROJECTIONS = 64


class ProjectedOutput:
    """The authors' protocol for open models."""

    name = "projected-output"
    attn_implementation = "eager"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.parameters: Mapping[str, float | int | str] = {
            "projections": PROJECTIONS,
            "projection_seed": seed,
            "tangents_per_window": 1,
            "tangent_seed": seed,
        }
        self._projection: Tensor | None = None

    def widths(self, sites: tuple[Site, ...], shape: ModelShape) -> dict[Site, int]:
        """There is one site, the projected output, whatever sites were chosen."""
        return {OUTPUT: PROJECTIONS}

    def projection(self, outputs: int) -> Tensor:
        """P (64, V), the same for every model of the same vocabulary size."""
        if self._projection is None or self._projection.shape[1] != outputs:
            generator = torch.Generator().manual_seed(self.seed)
            normal = torch.randn(PROJECTIONS, outputs, generator=generator, dtype=torch.float64)
            self._projection = normal / PROJECTIONS**0.5
        return self._projection

    def tangent(self, window: int, tokens: int, width: int) -> Tensor:
        """u (T, D) of a window: of its number alone, so that micro-batches change nothing."""
        return torch.randn(tokens, width, generator=draws_of(self.seed, window), dtype=torch.float64)

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """One forward-mode product for all windows of a micro-batch: their logits do not depend on each other.

        It runs through the logits of all positions, though only the last one's derivative is wanted: so the same
        forward gives the loss, for the price of an unembedding's tangents.

        Returns:
            Losses (B,) in nats, summed over each window's tokens.

        Raises:
            NonFiniteError: a logit or its derivative is not finite.
            NotAuditableError: an operation of the model has no forward mode.
        """
        ids_BT = batch.inputs_BT
        with torch.no_grad():
            embedded_BTD = model.get_input_embeddings()(ids_BT)  # type: ignore[operator]
        tokens, width = embedded_BTD.shape[1:]
        tangents_BTD = torch.stack([self.tangent(batch.first + i, tokens, width) for i in range(len(batch))])

        def logits(embeddings_BTD: Tensor) -> Tensor:
            return logits_of_embeddings(model, ids_BT, embeddings_BTD)

        try:
            with torch.no_grad(), ForwardSoftmax():
                products = torch.func.jvp(logits, (embedded_BTD,), (tangents_BTD.to(embedded_BTD),))
        except (RuntimeError, NotImplementedError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            reason = str(error).partition("\n")[0][:200]
            raise NotAuditableError(f"{type(model).__name__}: has no forward-mode derivative ({reason})") from error
        losses_B = window_losses(exact_logits(products[0]), batch.targets_BT)
        derivative_BV: Tensor = products[1][:, -1]
        if not torch.isfinite(derivative_BV).all():
            raise NonFiniteError("the logits' derivative holds NaN or infinity; try --dtype float32")
        projection_PV = self.projection(derivative_BV.shape[1]).to(derivative_BV.device, sums[OUTPUT].dtype)
        y_BP = derivative_BV.to(projection_PV) @ projection_PV.T
        sums[OUTPUT].add(y_BP.unsqueeze(1), batch.first)
        return losses_B


def logits_of_embeddings(model: nn.Module, ids_BT: Tensor, embeddings_BTD: Tensor) -> Tensor:
    """Logits (B, T, V), the output of the token embedding being replaced.

    The embedding still runs on the ids, and what it gives is exchanged: a model may look at the ids elsewhere too.
    """
    embedding: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    handle = embedding.register_forward_hook(lambda module, args, output: embeddings_BTD)
    try:
        logits_BTV: Tensor = model(input_ids=ids_BT, use_cache=False).logits
    finally:
        handle.remove()
    return logits_BTV
