"""The same numbers the long way: explicit gradients window by window, an explicit double sum over pairs of windows.

For tests and for readers. It shares no code with the fast path but the model and its blocks: gradients are taken with
respect to a zero added to the residual stream, outer products are written out, and U-statistics are averages over
pairs of different windows. Use float64 models of a few hundred parameters; cost is quadratic in windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shape_audit.interaction.sites import Site


@dataclass(frozen=True)
class ExactSite:
    """G and the six energies of one site, from first principles (see `statistics` for the symbols)."""

    agop_DD: Tensor
    total_plugin: float
    diagonal_plugin: float
    trace2_plugin: float
    total_u: float
    diagonal_u: float
    trace2_u: float


def exact_sites(
    model: nn.Module, blocks: Sequence[nn.Module], windows: Sequence[Sequence[int]], sites: Sequence[Site]
) -> dict[Site, ExactSite]:
    """Measure sites exactly.

    Args:
        model: a causal LM, float64.
        windows: at least two, each of seq_len + 1 ids, lengths may differ.
    """
    per_window = [_window_matrices(model, blocks, window, sites) for window in windows]
    lengths = [len(window) - 1 for window in windows]
    return {site: _exact_site([matrices[site] for matrices in per_window], lengths) for site in sites}


def _window_matrices(
    model: nn.Module, blocks: Sequence[nn.Module], window: Sequence[int], sites: Sequence[Site]
) -> dict[Site, Tensor]:
    """A_s at each site, by differentiating one window's loss with respect to zeros added to the stream."""
    added: dict[int, Tensor] = {}

    def shifted(position: int, hidden_1TD: Tensor) -> Tensor:
        added[position] = torch.zeros_like(hidden_1TD, requires_grad=True)
        return hidden_1TD + added[position]

    def before(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> object:
        if args:
            return (shifted(0, args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": shifted(0, kwargs["hidden_states"])}

    def after(index: int) -> object:
        def hook(module: nn.Module, args: object, output: object) -> object:
            if isinstance(output, tuple):
                return (shifted(index + 1, output[0]), *output[1:])
            assert isinstance(output, Tensor)
            return shifted(index + 1, output)

        return hook

    handles = [block.register_forward_hook(after(i)) for i, block in enumerate(blocks)]  # type: ignore[arg-type]
    handles.append(blocks[0].register_forward_pre_hook(before, with_kwargs=True))  # type: ignore[arg-type]
    try:
        logits_TV = model(input_ids=torch.tensor([list(window[:-1])]), use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    log_p_TV = logits_TV - logits_TV.logsumexp(-1, keepdim=True)
    loss = -sum(log_p_TV[t, target] for t, target in enumerate(window[1:]))
    gradients = torch.autograd.grad(loss, [added[site.position] for site in sites])
    return {
        site: sum((torch.outer(g_D, g_D) for g_D in grad_1TD[0]), start=torch.zeros(()).double())
        for site, grad_1TD in zip(sites, gradients, strict=True)
    }


def _exact_site(matrices: list[Tensor], lengths: list[int]) -> ExactSite:
    """Energies from the windows' A_s: plug-in from their mean, U-statistics from all pairs of different windows."""
    n = sum(lengths)
    agop_DD = sum(matrices, start=torch.zeros_like(matrices[0])) / n
    total = diagonal = trace2 = 0.0
    pairs = 0
    for s, a_DD in enumerate(matrices):
        for r, b_DD in enumerate(matrices):
            if r != s:
                total += float((a_DD * b_DD).sum())
                diagonal += float((a_DD.diagonal() * b_DD.diagonal()).sum())
                trace2 += float(a_DD.trace() * b_DD.trace())
                pairs += lengths[s] * lengths[r]
    return ExactSite(
        agop_DD=agop_DD,
        total_plugin=float((agop_DD**2).sum()),
        diagonal_plugin=float((agop_DD.diagonal() ** 2).sum()),
        trace2_plugin=float(agop_DD.trace() ** 2),
        total_u=total / pairs,
        diagonal_u=diagonal / pairs,
        trace2_u=trace2 / pairs,
    )
