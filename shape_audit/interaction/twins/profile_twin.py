"""The same numbers the long way: explicit gradients window by window, an explicit double sum over pairs of windows.

For tests and for readers. It shares no code with the fast path but the model, its blocks and the random draws of a
protocol: gradients are taken with respect to a zero added to the residual stream, outer products are written out,
U-statistics are averages over pairs of different windows, and Jacobians have their rows taken one by one in reverse
mode. Use float64 models of a few hundred parameters; cost is quadratic in windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shape_audit.interaction.protocols.output_gradient import OutputGradient
from shape_audit.interaction.protocols.projected_output import ProjectedOutput, logits_of_embeddings
from shape_audit.interaction.stream.sites import Site


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
    influences: dict[int, tuple[float, float, float]]
    """psi of (total, diagonal, trace2) for every window from number 4 on, see `error_bars`."""


Scalar = Callable[[int, Tensor, Sequence[int]], Tensor]
"""(number of the window, its logits (T, V), its ids) -> what is differentiated."""


def cross_entropy(number: int, logits_TV: Tensor, window: Sequence[int]) -> Tensor:
    """The summed loss of a window in nats: the scalar of `loss-gradient`."""
    log_p_TV = logits_TV - logits_TV.logsumexp(-1, keepdim=True)
    return -torch.stack([log_p_TV[t, target] for t, target in enumerate(window[1:])]).sum()


def probed_logits(protocol: OutputGradient) -> Scalar:
    """The scalar of `output-gradient`: the logits against the window's signs."""
    return lambda number, logits_TV, window: (protocol.cotangent(number, *logits_TV.shape) * logits_TV).sum()


def exact_sites(
    model: nn.Module,
    blocks: Sequence[nn.Module],
    windows: Sequence[Sequence[int]],
    sites: Sequence[Site],
    scalar: Scalar = cross_entropy,
) -> dict[Site, ExactSite]:
    """Measure sites exactly.

    Args:
        model: a causal LM, float64.
        windows: at least two, each of seq_len + 1 ids, lengths may differ.
        scalar: what is differentiated: of `loss-gradient`, or `probed_logits(protocol)`.
    """
    per_window = [_window_matrices(model, blocks, i, window, sites, scalar) for i, window in enumerate(windows)]
    lengths = [len(window) - 1 for window in windows]
    return {site: exact_site([matrices[site] for matrices in per_window], lengths) for site in sites}


def exact_output(model: nn.Module, windows: Sequence[Sequence[int]], protocol: ProjectedOutput) -> ExactSite:
    """Measure `projected-output` exactly: every row of M = P J by its own backward pass, then the products with M."""
    matrices = []
    for number, window in enumerate(windows):
        m_PN = projected_jacobian(model, window, protocol)
        tokens = len(window) - 1
        cotangent_P, tangents_RTD = protocol.draws(number, tokens, m_PN.shape[1] // tokens)
        q_N = cotangent_P @ m_PN
        q_N = q_N / q_N.square().sum().sqrt()
        y_0P = m_PN @ q_N
        matrix_PP = torch.outer(y_0P, y_0P)
        for u_N in tangents_RTD.flatten(1):
            y_P = m_PN @ u_N - y_0P * (q_N * u_N).sum()
            matrix_PP += torch.outer(y_P, y_P) / len(tangents_RTD)
        matrices.append(matrix_PP)
    return exact_site(matrices, [1] * len(matrices))


def projected_jacobian(model: nn.Module, window: Sequence[int], protocol: ProjectedOutput) -> Tensor:
    """M = P J of a window, (P, T D), row by row."""
    ids_1T = torch.tensor([list(window[:-1])])
    embeddings_1TD = model.get_input_embeddings()(ids_1T).detach().requires_grad_(True)  # type: ignore[operator]
    projected_P = protocol.projection(_outputs(model)) @ logits_of_embeddings(model, ids_1T, embeddings_1TD)[0, -1]
    rows = [torch.autograd.grad(output, embeddings_1TD, retain_graph=True)[0].flatten() for output in projected_P]
    return torch.stack(rows)


def _outputs(model: nn.Module) -> int:
    size: int = model.config.vocab_size  # type: ignore[union-attr, assignment]
    return size


def _window_matrices(
    model: nn.Module,
    blocks: Sequence[nn.Module],
    number: int,
    window: Sequence[int],
    sites: Sequence[Site],
    scalar: Scalar,
) -> dict[Site, Tensor]:
    """A_s at each site, by differentiating one window's scalar with respect to zeros added to the stream.

    Those of the first site are added to the embedding's own output where that very tensor goes into block 0: whatever
    else the model makes of it (gemma4, zamba) belongs to the gradient.
    """
    added: dict[int, Tensor] = {}
    embedded: list[Tensor] = []

    def embed(module: nn.Module, args: object, output: Tensor) -> Tensor:
        embedded.append(shifted(0, output))
        return embedded[-1]

    def shifted(position: int, hidden_1TD: Tensor) -> Tensor:
        added[position] = torch.zeros_like(hidden_1TD, requires_grad=True)
        return hidden_1TD + added[position]

    def before(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> object:
        hidden_1TD = args[0] if args else kwargs["hidden_states"]
        if not any(hidden_1TD is tensor for tensor in embedded):
            hidden_1TD = shifted(0, hidden_1TD)
        return ((hidden_1TD, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": hidden_1TD})

    def after(index: int) -> object:
        def hook(module: nn.Module, args: object, output: object) -> object:
            if isinstance(output, tuple | list):
                return (shifted(index + 1, output[0]), *output[1:])
            assert isinstance(output, Tensor)
            return shifted(index + 1, output)

        return hook

    handles = [block.register_forward_hook(after(i)) for i, block in enumerate(blocks)]  # type: ignore[arg-type]
    handles.append(blocks[0].register_forward_pre_hook(before, with_kwargs=True))  # type: ignore[arg-type]
    handles.append(model.get_input_embeddings().register_forward_hook(embed))  # type: ignore[operator]
    try:
        logits_TV = model(input_ids=torch.tensor([list(window[:-1])]), use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(scalar(number, logits_TV, window), [added[site.position] for site in sites])
    return {
        site: sum((torch.outer(g_D, g_D) for g_D in grad_1TD[0]), start=torch.zeros(()).double())
        for site, grad_1TD in zip(sites, gradients, strict=True)
    }


def exact_site(matrices: list[Tensor], lengths: list[int]) -> ExactSite:
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
    u = (total / pairs, diagonal / pairs, trace2 / pairs)
    return ExactSite(
        agop_DD=agop_DD,
        total_plugin=float((agop_DD**2).sum()),
        diagonal_plugin=float((agop_DD.diagonal() ** 2).sum()),
        trace2_plugin=float(agop_DD.trace() ** 2),
        total_u=u[0],
        diagonal_u=u[1],
        trace2_u=u[2],
        influences={i: _influence(i, matrices, lengths, u) for i in range(4, len(matrices))},
    )


def _influence(
    i: int, matrices: list[Tensor], lengths: list[int], u: tuple[float, float, float]
) -> tuple[float, float, float]:
    """psi of window i: its products with the windows before the last power of two."""
    before = range(2 ** int(math.log2(i)))
    total = sum(float((matrices[i] * matrices[r]).sum()) for r in before)
    diagonal = sum(float((matrices[i].diagonal() * matrices[r].diagonal()).sum()) for r in before)
    trace2 = sum(float(matrices[i].trace() * matrices[r].trace()) for r in before)
    tokens, scale = sum(lengths[r] for r in before), 2 * len(matrices) / sum(lengths)
    inner = (total, diagonal, trace2)
    psi = [scale * (product / tokens - lengths[i] * truth) for product, truth in zip(inner, u, strict=True)]
    return psi[0], psi[1], psi[2]
