"""Protocol `projected-output`: how projected logits respond together to changes of the input embeddings.

    G = E[ P J J^T P^T ]   (64 x 64)

with J the Jacobian of the LAST position's logits with respect to the embeddings of all inputs (the output of the token
embedding), and P Gaussian, entries N(0, 1/64). With M = P J of a window,

    q = M^T c / |M^T c|     y_0 = M q     y_i = M (u_i - q <q, u_i>)     A_s = y_0 y_0^T + (y_1 y_1^T + y_2 y_2^T) / 2

c and u_1, u_2 with independent N(0, 1) entries: whatever q is, E A_s = M q q^T M^T + M (I - q q^T) M^T = M M^T. The
first singular direction may have most of the trace of M M^T, and of the noise of Gaussian tangents; M^T c is likely
close to it, and along q nothing is random (as in Hutch++: Meyer, Musco, Musco, Woodruff 2021). M^T c is a backward
pass, linear in c, and M times a direction is the derivative of that pass with respect to c.

Corresponds to `estimate_agop_ntp` in `budget_scaling/transformer_ntp_shape_sweep.py` of the authors' code, which made
the AOFE columns of their sweep table, and to their script for open models. It departs from them in three things: P
depends on nothing but the vocabulary's size and the windows are the same for every model (in the script for open
models both change with the model's name); q and two tangents a window instead of eight tangents, which leaves as
little noise in less time, from one forward and backward pass for all instead of one each
(benchmarks/projected_output.py); and the U-statistic, which removes the noise of tangents too (n rank-one Gaussian
samples in d dimensions read a plug-in AOFE-ratio of (d - 1) / (d + n + 1) where nothing interacts: 0.33 for their 128
in 64). Fused attention cannot be differentiated twice, so the mode runs eager attention.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.draws import draws_of
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import OUTPUT, Site
from shape_audit.models import exact_logits, model_faults, window_losses
from shape_audit.records import ModelShape

PROJECTIONS, TANGENTS = 64, 2


class ProjectedOutput:
    """The authors' protocol for open models."""

    name = "projected-output"
    attn_implementation = "eager"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.parameters: Mapping[str, float | int | str] = {
            "projections": PROJECTIONS,
            "projection_seed": seed,
            "cotangents_per_window": 1,
            "tangents_per_window": TANGENTS,
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

    def draws(self, window: int, tokens: int, width: int) -> tuple[Tensor, Tensor]:
        """c (P) and u (R, T, D) of a window: of its number alone, so that micro-batches change nothing."""
        generator = draws_of(self.seed, window)
        cotangent_P = torch.randn(PROJECTIONS, generator=generator, dtype=torch.float64)
        return cotangent_P, torch.randn(TANGENTS, tokens, width, generator=generator, dtype=torch.float64)

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """One forward and one backward pass of all windows of a micro-batch: they do not depend on each other.

        Returns:
            Losses (B,) in nats, summed over each window's tokens.

        Raises:
            NonFiniteError: a loss is infinite or not a number.
            NotAuditableError: an operation of the model cannot be differentiated twice.
        """
        ids_BT = batch.inputs_BT
        with torch.no_grad():
            embedded_BTD = model.get_input_embeddings()(ids_BT)  # type: ignore[operator]
        embedded_BTD.requires_grad_(True)
        drawn = [self.draws(batch.first + i, *embedded_BTD.shape[1:]) for i in range(len(batch))]
        with torch.enable_grad():
            with model_faults(model):
                logits_BTV = exact_logits(logits_of_embeddings(model, ids_BT, embedded_BTD))
            losses_B = window_losses(logits_BTV.detach(), batch.targets_BT)
            last_BV = logits_BTV[:, -1]
            del logits_BTV
            outputs_BP = last_BV @ self.projection(last_BV.shape[1]).to(last_BV).T
            cotangent_BP = torch.stack([c_P for c_P, _ in drawn]).to(outputs_BP).requires_grad_(True)
            tangents_BRTD = torch.stack([u_RTD for _, u_RTD in drawn])
            try:
                y_BCP = columns(embedded_BTD, outputs_BP, cotangent_BP, tangents_BRTD)
            except (RuntimeError, NotImplementedError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                reason = str(error).partition("\n")[0][:200]
                raise NotAuditableError(f"{type(model).__name__}: cannot be differentiated twice ({reason})") from error
        sums[OUTPUT].add(y_BCP, batch.first)
        return losses_B


def columns(embedded_BTD: Tensor, outputs_BP: Tensor, cotangent_BP: Tensor, tangents_BRTD: Tensor) -> Tensor:
    """y (B, C, P) of each window, times sqrt(C): sums divide by the number of their columns, C = 1 + R.

    Args:
        outputs_BP: computed from the embeddings, and still to be differentiated.
        tangents_BRTD: float64, on the CPU.
    """
    (pulled_BTD,) = torch.autograd.grad(outputs_BP, embedded_BTD, cotangent_BP, create_graph=True)
    smallest = torch.finfo(torch.float64).tiny
    q_B1N = F.normalize(pulled_BTD.detach().cpu().double().flatten(1), dim=1, eps=smallest).unsqueeze(1)
    tangents_BRN = tangents_BRTD.flatten(2)
    rest_BRN = (tangents_BRN - (tangents_BRN @ q_B1N.mT) * q_B1N) / tangents_BRN.shape[1] ** 0.5
    directions_BCN = torch.cat([q_B1N, rest_BRN], 1)
    directions_CBTD = (
        (directions_BCN * directions_BCN.shape[1] ** 0.5).transpose(0, 1).unflatten(2, embedded_BTD.shape[1:])
    )
    pushed = [
        torch.autograd.grad(pulled_BTD, cotangent_BP, direction_BTD.to(pulled_BTD), retain_graph=True)[0]
        for direction_BTD in directions_CBTD
    ]
    return torch.stack(pushed, 1)


def logits_of_embeddings(model: nn.Module, ids_BT: Tensor, embeddings_BTD: Tensor) -> Tensor:
    """Logits (B, T, V), the output of the token embedding being replaced.

    The embedding still runs on the ids, and what it gives is exchanged: a model may look at the ids elsewhere too. A
    copy, for CTRL multiplies it in place, which no leaf allows.
    """
    embedding: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    handle = embedding.register_forward_hook(lambda module, args, output: embeddings_BTD.clone())
    try:
        logits_BTV: Tensor = model(input_ids=ids_BT, use_cache=False).logits
    finally:
        handle.remove()
    return logits_BTV
