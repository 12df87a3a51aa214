"""Protocol `input-simplex`: how one-hot inputs act together on the next token's logits.

    G = E[ J^T J ]   (T V x T V)

with J the Jacobian of the LAST position's centred logits with respect to the one-hot inputs q of all positions, the
embedding being q E: entry (t, v) is what a little more of token v at position t would do. For window s one cotangent
r, independent signs less their mean (zero-sum: E[r r^T] is the projection that centres the logits), gives
y = J^T r by one backward pass to the embedding's output, y_t = E g_t, and A_s = y y^T. G is never formed, see
`input_gradients`. Whatever a model looks up by the ids elsewhere is held fixed.

Corresponds to `estimate_input_agop_metrics_ntp` in `language_model/input_agop.py` of the authors' follow-up
(github.com/wenjie1835/Shape_Scaling, commit a01393d): the same G, of centred logits at the last position over the full
one-hot input. It departs from it in three things. There G is multiplied with random vectors (`||G z||^2`, 16 of them)
and its diagonal probed in two halves (32 cotangents), which leaves the noise of both; here a window has one cotangent.
There all is of G over the same windows: plug-in values, which grow with the noise of the text; here products of
different windows, free of that and of the cotangents' noise. And there logits are divided by their root mean square
over all windows: G scales with its inverse square, so that their AOFE is ours over its fourth power, and no ratio
depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.interaction.estimators.input_gradients import InputGradients
from shape_audit.interaction.protocols.draws import draws_of
from shape_audit.interaction.stream.backward import located
from shape_audit.interaction.stream.embedding_paths import token_embedding
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.residual_stream import beginning
from shape_audit.interaction.stream.sites import INPUT, Site
from shape_audit.models import model_faults, model_logits, window_losses
from shape_audit.records import ModelShape


class InputSimplex:
    """The authors' protocol for one-hot inputs."""

    name = "input-simplex"
    attn_implementation = None

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.parameters: Mapping[str, float | int | str] = {"cotangents_per_window": 1, "cotangent_seed": seed}

    def widths(self, sites: tuple[Site, ...], shape: ModelShape) -> dict[Site, int]:
        """There is one site, the inputs, whatever sites were chosen; a position of it has the vocabulary's width."""
        return {INPUT: shape.vocab_size or 0}

    def empty_sums(self, model: nn.Module, device: torch.device) -> InputGradients:
        """See `HoldsOwnSums`.

        Raises:
            NotAuditableError: the model does not say what its embedding is.
        """
        return InputGradients(embedding=_embedding(model), device=device)

    def cotangent(self, window: int, outputs: int) -> Tensor:
        """r (V) of a window, float64: of its number alone, so that micro-batches change nothing."""
        signs = (
            torch.randint(0, 2, (outputs,), generator=draws_of(self.seed, window), dtype=torch.int8).double() * 2 - 1
        )
        return signs - signs.mean()

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, Any]
    ) -> Tensor:
        """One forward and one backward of all windows of a micro-batch: they do not depend on each other.

        Returns:
            Losses (B,) in nats, summed over each window's tokens.

        Raises:
            NonFiniteError: a loss is infinite or not a number; the message names the first site that is.
            NotAuditableError: the logits do not depend on the embedding's output.
        """
        leaves: list[Tensor] = []

        handle = _embedding(model).register_forward_hook(beginning(leaves))
        try:
            with torch.enable_grad():
                logits_BTV = model_logits(model, batch.inputs_BT)
                losses_B = window_losses(logits_BTV.detach(), batch.targets_BT)
                last_BV = logits_BTV[:, -1]
                del logits_BTV
                r_BV = torch.stack([self.cotangent(batch.first + i, last_BV.shape[1]) for i in range(len(batch))])
                if not (leaves and last_BV.requires_grad):
                    what = "its token embedding does not feed its logits"
                    raise NotAuditableError(f"{type(model).__name__}: unsupported architecture ({what})")
                with model_faults(model):
                    (grad_BTD,) = torch.autograd.grad((last_BV * r_BV.to(last_BV)).sum(), leaves)
        except NonFiniteError as error:
            raise located(error, model, blocks, batch.inputs_BT) from error
        finally:
            handle.remove()
        sums[INPUT].add(grad_BTD, batch.first)
        return losses_B


def _embedding(model: nn.Module) -> nn.Module:
    found = token_embedding(model)
    if found is None or not isinstance(getattr(found, "weight", None), Tensor):
        raise NotAuditableError(f"{type(model).__name__}: unsupported architecture (it names no token embedding)")
    return found
