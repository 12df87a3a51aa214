"""From the sums of a site to what the record says about it."""

from __future__ import annotations

import torch

from shape_audit.interaction.estimators.error_bars import ErrorBars, mean_interval
from shape_audit.interaction.estimators.sample_size import MIN_WINDOWS
from shape_audit.interaction.estimators.statistics import QUOTIENTS, plugin_energies, u_energies
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.records import SiteInteraction


def site_interaction(name: str, sums: SiteSums, *, spectrum: int = 0) -> SiteInteraction:
    """Everything the record says about a site.

    Args:
        spectrum: how many of the largest eigenvalues of G to give.
    """
    rows = sums.rows()
    plugin, unbiased = plugin_energies(sums), u_energies(sums)
    bars = ErrorBars(unbiased, rows) if unbiased is not None and len(rows) >= MIN_WINDOWS else None
    noisy = unbiased is not None and (
        unbiased.aofe < 0 or unbiased.total <= 0 or unbiased.trace2 > sums.width * unbiased.total
    )
    silent = plugin.total == 0  # no gradient reaches this site: zero energy, and no ratio of it
    numbers: dict[str, object] = {}
    for quotient in QUOTIENTS:
        raw = unbiased.quotient(quotient) if unbiased else None
        numbers[quotient] = bars.corrected(quotient) if bars else raw
        numbers[f"{quotient}_raw"] = raw
        numbers[f"{quotient}_plugin"] = plugin.quotient(quotient)
        numbers[f"{quotient}_ci"] = bars.quotient_interval(quotient) if bars else None
    eigenvalues = largest_eigenvalues(sums, spectrum) if spectrum else None
    trace = float(rows.trace_K.sum()) / rows.tokens
    return SiteInteraction.model_validate(
        numbers
        | {
            "name": name,
            "width": sums.width,
            "aofe": unbiased.aofe if unbiased else None,
            "aofe_plugin": plugin.aofe,
            "aofe_ci": bars.aofe_interval() if bars else None,
            "trace": trace,
            "trace_ci": mean_interval(rows.trace_K, rows.tokens_K),
            "spectrum": eigenvalues,
            "spectrum_share": sum(eigenvalues) / trace if eigenvalues and trace else None,
            "below_noise_floor": noisy and not silent,
        }
    )


def largest_eigenvalues(sums: SiteSums, count: int) -> list[float]:
    """The `count` largest eigenvalues of the plug-in G, in descending order, in nats^2 per activation unit^2."""
    agop_DD = sums.agop_DD.cpu().double() / sums.rows().tokens
    eigenvalues: list[float] = torch.linalg.eigvalsh(agop_DD).flip(0)[:count].tolist()
    return eigenvalues
