"""How well the gradients of a window are known: they are computed twice, the second time with other rounding errors.

The second time the embedding, what each block hands on and the logits are multiplied by 1 +- eps, a random sign an
entry, eps the spacing of the model's dtype: errors as large as those that each block makes anyway, carried through all
that follows, forward and backward (Monte Carlo arithmetic: Parker, UCLA CSD-970002, 1997); and the backward pass is
scaled, which no exact gradient would notice. Gradients that differ by more than a little are not known: where all of a
sum cancels, as in sum_v (p_v - y_v) E_v with equal rows E_v, nothing is left but rounding, and it differs by as much as
there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.interaction.estimators.gradient_noise import GradientNoise
from shape_audit.interaction.estimators.site_evidence import HeldSums
from shape_audit.interaction.stream.embedding_paths import token_embedding
from shape_audit.interaction.stream.residual_stream import changing
from shape_audit.interaction.stream.sites import Site

PROBE_TOKENS = 64
"""Inputs of the window that are looked at."""

SCALE = 0.7
"""Of the second gradients, all along the backward pass; no power of two, so that nothing is rounded as before."""

AddGradients = Callable[[Tensor, Mapping[Site, Any]], object]
"""(ids (1, L), receivers) -> has each site's receiver `add(grad (1, T, D), first)`."""


class _Kept:
    """Stands where a pass has its sums, and keeps the gradient."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        self.width, self.dtype = width, dtype
        self.grad_TD = torch.zeros(0, width)

    def add(self, grad_BTD: Tensor, first: int) -> None:
        self.grad_TD = grad_BTD[0].cpu()


def gradient_noise(
    model: nn.Module,
    blocks: list[nn.Module],
    ids_L: Tensor,
    sums: Mapping[Site, HeldSums],
    add_gradients: AddGradients,
) -> dict[Site, GradientNoise]:
    """What rounding adds to the energies of each site, from one window's beginning.

    Args:
        ids_L: a window.
        sums: of the sites to look at; nothing is added to them.
        add_gradients: of the protocol, see `MeasurementProtocol.add_micro_batch`.
    """
    ids_1L = ids_L[: PROBE_TOKENS + 1].unsqueeze(0)
    dtype = next(model.parameters()).dtype
    plain, shaken = ({site: _Kept(of_site.width, dtype) for site, of_site in sums.items()} for _ in range(2))
    add_gradients(ids_1L, plain)
    with _other_rounding(model, blocks, torch.finfo(dtype).eps):
        add_gradients(ids_1L, shaken)
    return {
        site: GradientNoise.between(
            of_site.factor(plain[site].grad_TD), of_site.factor(shaken[site].grad_TD.double() / SCALE)
        )
        for site, of_site in sums.items()
    }


@contextmanager
def _other_rounding(model: nn.Module, blocks: list[nn.Module], size: float) -> Iterator[None]:
    """While open, the embedding, what each block hands on and the model's logits are moved by so much, relative."""

    def moved(place: int, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        generator = torch.Generator().manual_seed(place)  # a checkpointed block is computed twice, and moved alike
        signs = torch.randint(0, 2, value.shape, generator=generator, dtype=torch.int8).to(value.device)
        return value * (1 + size * (2 * signs.to(value.dtype) - 1))

    def at_the_end(module: nn.Module, args: Any, output: Any) -> Any:
        output.logits = moved(len(blocks) + 1, output.logits)
        if output.logits.requires_grad:
            output.logits.register_hook(lambda grad: grad * SCALE)
        return output

    embedding = token_embedding(model)
    handles = [] if embedding is None else [embedding.register_forward_hook(changing(partial(moved, 0)))]
    handles += [block.register_forward_hook(changing(partial(moved, i + 1))) for i, block in enumerate(blocks)]
    handles.append(model.register_forward_hook(at_the_end))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
