"""Energies and ratios of the AGOP, from the sums of a site.

With G the AGOP, N = ||G||_F^2, D = sum_i G_ii^2:

    AOFE = N - D                      AOFE-ratio = AOFE / N
    aofe_normalized = AOFE / tr(G)^2  mean cos^2 = AOFE / (tr(G)^2 - D)  effective rank = tr(G)^2 / N

(Law of Neural Interaction, arXiv 2605.27989; `shape_scan/transformer_shape_scan.py` of the authors' code has the
plug-in values at the embedding.) Since E||G_hat||^2 = ||G||^2 + noise / n, plug-in values depend on sample size and
width; the U-statistics use products of different windows only and are unbiased:

    total_U    = ( ||sum A_s||_F^2 - sum ||A_s||_F^2 )               / ( n^2 - sum T^2 )
    diagonal_U = sum_i ( (sum A_s,ii)^2 - sum A_s,ii^2 )             / ( n^2 - sum T^2 )
    trace2_U   = ( (sum tr A_s)^2 - sum (tr A_s)^2 )                 / ( n^2 - sum T^2 )
"""

from __future__ import annotations

from dataclasses import dataclass

from shape_audit.interaction.sums import SiteSums
from shape_audit.records import SiteInteraction


@dataclass(frozen=True)
class Energies:
    """The three energies of an AGOP estimate, in nats^4 per activation unit^4.

    Attributes:
        total: ||G||_F^2.
        diagonal: sum_i G_ii^2.
        trace2: tr(G)^2.
    """

    total: float
    diagonal: float
    trace2: float

    @property
    def aofe(self) -> float:
        return self.total - self.diagonal

    @property
    def aofe_ratio(self) -> float | None:
        return _quotient(self.aofe, self.total)

    @property
    def aofe_normalized(self) -> float | None:
        return _quotient(self.aofe, self.trace2)

    @property
    def mean_cos2(self) -> float | None:
        return _quotient(self.aofe, self.trace2 - self.diagonal)

    @property
    def effective_rank(self) -> float | None:
        return _quotient(self.trace2, self.total)


def _quotient(numerator: float, denominator: float) -> float | None:
    """None where there is nothing to divide by: no gradient at all, or a single channel."""
    return numerator / denominator if denominator != 0 else None


def plugin_energies(sums: SiteSums) -> Energies:
    """Energies of G = (sum_s A_s) / n itself: biased upwards by the noise of the sample."""
    n = sums.tokens
    total = _squared_norm(sums)
    return Energies(
        total=total / n**2,
        diagonal=float(sums.diagonal_D.square().sum()) / n**2,
        trace2=float(sums.scalars[2]) ** 2 / n**2,
    )


def u_energies(sums: SiteSums) -> Energies | None:
    """Unbiased energies from products of different windows; None for fewer than two windows."""
    if sums.windows < 2:
        return None
    pairs = sums.tokens**2 - sums.tokens_squared
    window_totals, window_diagonals, traces, squared_traces = sums.scalars.tolist()
    total = _squared_norm(sums)
    return Energies(
        total=(total - window_totals) / pairs,
        diagonal=(float(sums.diagonal_D.square().sum()) - window_diagonals) / pairs,
        trace2=(traces**2 - squared_traces) / pairs,
    )


def _squared_norm(sums: SiteSums) -> float:
    """||sum_s A_s||_F^2 with the exact diagonals, accumulated in float64."""
    import torch

    above_diagonal = torch.linalg.vector_norm(sums.upper_DD.triu(1).flatten(), dtype=torch.float64).square()
    return float(2 * above_diagonal + sums.diagonal_D.square().sum())


def site_interaction(name: str, sums: SiteSums) -> SiteInteraction:
    """Everything the record says about a site."""
    plugin, unbiased = plugin_energies(sums), u_energies(sums)
    noisy = unbiased is not None and (
        unbiased.aofe < 0 or unbiased.total <= 0 or unbiased.trace2 > sums.width * unbiased.total
    )
    silent = plugin.total == 0  # no gradient reaches this site: zero energy, and no ratio of it
    return SiteInteraction(
        name=name,
        width=sums.width,
        aofe=unbiased.aofe if unbiased else None,
        aofe_plugin=plugin.aofe,
        aofe_ratio=unbiased.aofe_ratio if unbiased else None,
        aofe_ratio_raw=unbiased.aofe_ratio if unbiased else None,
        aofe_ratio_plugin=plugin.aofe_ratio,
        aofe_normalized=unbiased.aofe_normalized if unbiased else None,
        aofe_normalized_plugin=plugin.aofe_normalized,
        mean_cos2=unbiased.mean_cos2 if unbiased else None,
        mean_cos2_plugin=plugin.mean_cos2,
        effective_rank=unbiased.effective_rank if unbiased else None,
        effective_rank_plugin=plugin.effective_rank,
        trace=float(sums.scalars[2]) / sums.tokens,
        below_noise_floor=noisy and not silent,
    )
