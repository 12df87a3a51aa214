"""Gradients on which float32 sums go wrong, and what is true of them."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from shape_audit.interaction.estimators.error_bars import is_reference_point
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.twins.profile_twin import exact_site

CPU = torch.device("cpu")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_heavy_window(factor: float, at: int = 2) -> Tensor:
    gradients = normal(8, 16, 12)
    gradients[at] *= factor
    return gradients


def heavy_token_of_one_direction(factor: float, at: int = 0) -> Tensor:
    gradients = normal(8, 16, 12)
    gradients[at, 3] += factor * normal(12, seed=1)
    return gradients


def massive_channel(factor: float) -> Tensor:
    gradients = normal(8, 16, 12)
    gradients[:, :, 5] *= factor
    return gradients


def heavy_window_that_others_hardly_meet(factor: float) -> Tensor:
    direction = normal(12, seed=1)
    direction /= direction.norm()
    gradients = normal(8, 16, 12)
    gradients -= 0.999 * (gradients @ direction).unsqueeze(-1) * direction
    gradients[5] += factor * direction
    return gradients


GRADIENTS: dict[str, Callable[[], Tensor]] = {
    "plain": lambda: normal(8, 16, 12),
    "fewer channels than tokens": lambda: normal(8, 40, 5),
    "wider than a tile": lambda: normal(6, 3, 300),
    "one window x 1e3": lambda: one_heavy_window(1e3),
    "one window x 1e6": lambda: one_heavy_window(1e6),
    "the first window x 1e12": lambda: one_heavy_window(1e12, at=0),
    "the last window x 1e12": lambda: one_heavy_window(1e12, at=7),
    "one window x 1e-12": lambda: one_heavy_window(1e-12),
    "one token x 1e5": lambda: heavy_token_of_one_direction(1e5),
    "one token x 1e10": lambda: heavy_token_of_one_direction(1e10, at=6),
    "massive channel x 1e2": lambda: massive_channel(1e2),
    "massive channel x 1e4": lambda: massive_channel(1e4),
    "dead channels": lambda: massive_channel(0.0),
    "all x 1e-20": lambda: normal(8, 16, 12) * 1e-20,
    "all x 1e-30": lambda: normal(8, 16, 12) * 1e-30,
    "all x 1e20": lambda: normal(8, 16, 12) * 1e20,
    "all x 1e-20, one window x 1e6": lambda: one_heavy_window(1e6) * 1e-20,
    "one direction and a little noise": lambda: normal(8, 16, 1) * normal(12, seed=1) + 1e-3 * normal(8, 16, 12),
}


def sums_of(gradients_KTD: Tensor, batch: int = 3) -> SiteSums:
    """As a pass adds them in float32, micro-batches ending where S_ref is frozen."""
    sums = SiteSums.zeros(gradients_KTD.shape[-1], dtype=torch.float32, device=CPU)
    number = 0
    while number < len(gradients_KTD):
        if is_reference_point(number):
            sums.freeze()
        end = next(i for i in range(number + 1, number + batch + 1) if is_reference_point(i) or i == number + batch)
        sums.add(gradients_KTD[number:end].float(), number)
        number = min(end, len(gradients_KTD))
    return sums


def truth_of(gradients_KTD: Tensor) -> dict[str, float | None]:
    """Of the very float32 gradients, by pairs of windows in float64; scaled, since fourth powers of 1e-30 vanish."""
    exact = gradients_KTD.float().double()
    scale = float(exact.abs().max())
    site = exact_site([g.T @ g for g in exact / scale], [exact.shape[1]] * len(exact))
    count, tokens = exact.shape[:2]
    pairs = [(s, r) for s in range(count) for r in range(count) if r != s]
    off = sum(_off(exact[s] / scale, exact[r] / scale) for s, r in pairs) / (len(pairs) * tokens**2)
    quotients = {
        "aofe_ratio": off / site.total_u,
        "aofe_normalized": off / site.trace2_u,
        "mean_cos2": off / (site.trace2_u - site.diagonal_u),
        "effective_rank": site.trace2_u / site.total_u,
    }
    return {"aofe": off * scale**4, **quotients, **against_chance(quotients, exact.shape[-1])}


def against_chance(quotients: dict[str, float], width: int) -> dict[str, float]:
    basis = 1 - (quotients["effective_rank"] + 2) / (width + 2)
    excess = quotients["aofe_ratio"] - basis
    return {
        "aofe_ratio_random_basis": basis, "aofe_ratio_excess": excess,
        "channel_alignment": -excess / basis if basis else math.nan,
    }  # fmt: skip


def _off(one_TD: Tensor, other_TD: Tensor) -> float:
    one, other = one_TD.T @ one_TD, other_TD.T @ other_TD
    return float((one * other).sum() - one.diagonal() @ other.diagonal())
