"""The slow exact twin of the Neural Feature Ansatz: the same correlations, one window, token and pair at a time.

It shares nothing with the fast path but the matrices: gradients come by plain autograd, kept at the input of every
module by itself; outer products and cosines are written out. For float64 models of a few hundred parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.interaction.twins.profile_twin import ExactSite, exact_site


def exact_nfa(
    model: nn.Module,
    weights: Mapping[str, tuple[nn.Module, Tensor]],
    windows: Sequence[Sequence[int]],
    *,
    embedding: nn.Module,
) -> dict[str, float]:
    """The NFA correlation of each matrix.

    Args:
        model: a causal LM, float64.
        weights: name -> the module that is called with its input (for the embedding, that gives it), and W (O, D).
        windows: at least two, each of seq_len + 1 ids.
        embedding: of the tokens; the graph begins at its output.
    """
    modules = {name: module for name, (module, _) in weights.items()}
    sites = exact_inputs(model, modules, windows, embedding=embedding)
    return {name: exact_correlation(weight_OD, sites[name]) for name, (_, weight_OD) in weights.items()}


def exact_inputs(
    model: nn.Module, modules: Mapping[str, nn.Module], windows: Sequence[Sequence[int]], *, embedding: nn.Module
) -> dict[str, ExactSite]:
    """G and its energies at the tensor each module is called with."""
    per_window = [_window_matrices(model, modules, window, embedding) for window in windows]
    lengths = [len(window) - 1 for window in windows]
    return {name: exact_site([matrices[name] for matrices in per_window], lengths) for name in modules}


def exact_correlation(weight_OD: Tensor, site: ExactSite) -> float:
    """The cosine off the diagonal, term by term; ||G_offdiag|| by its U-statistic."""
    weight, agop = weight_OD.double().numpy(), site.agop_DD.numpy()
    gram = weight.T @ weight
    product = square = 0.0
    for i in range(len(gram)):
        for j in range(len(gram)):
            if i != j:
                product += gram[i, j] * agop[i, j]
                square += gram[i, j] ** 2
    return float(product / math.sqrt(square) / math.sqrt(site.total_u - site.diagonal_u))


def _window_matrices(
    model: nn.Module, modules: Mapping[str, nn.Module], window: Sequence[int], embedding: nn.Module
) -> dict[str, Tensor]:
    """A_s of one window at the input of every module."""
    kept: dict[str, Tensor] = {}

    def begin(module: nn.Module, args: object, output: Tensor) -> Tensor:
        return output.detach().requires_grad_(True)

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            kept[name] = output if module is embedding else args[0]
            kept[name].retain_grad()

        return hook

    handles = [embedding.register_forward_hook(begin)]
    handles += [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        logits_TV = model(input_ids=torch.tensor([list(window[:-1])]), use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    log_p_TV = logits_TV - logits_TV.logsumexp(-1, keepdim=True)
    loss = -sum(log_p_TV[t, target] for t, target in enumerate(window[1:]))
    loss.backward()
    matrices = {}
    for name, tensor in kept.items():
        assert tensor.grad is not None
        grad_TD = tensor.grad.reshape(-1, tensor.shape[-1])
        matrices[name] = sum((torch.outer(g_D, g_D) for g_D in grad_TD), start=torch.zeros(()).double())
    return matrices
