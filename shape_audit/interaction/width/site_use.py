"""From second moments at a site to what the record says about the use of its width."""

from __future__ import annotations

from typing import Any

import torch

from shape_audit.interaction.width.ranks import (
    Estimate,
    centred_effective_rank,
    effective_rank,
    functional_rank,
    rank_staircase,
)
from shape_audit.interaction.width.width_sums import WidthSums
from shape_audit.records import RankStep, SiteUse


def site_use(name: str, sums: WidthSums, *, spectrum: int = 0) -> SiteUse:
    """Everything the record says about the use of a site's width.

    Args:
        spectrum: how many of the largest eigenvalues of the stream's second moment to give.
    """
    stream, gradients = sums.stream.of_filled(), sums.gradients.of_filled()
    estimates = {
        "activation_effective_rank": effective_rank(stream),
        "activation_effective_rank_unit": effective_rank(sums.unit.of_filled()),
        "activation_effective_rank_centred": centred_effective_rank(stream),
        "functional_rank": functional_rank(stream, gradients),
    }
    numbers: dict[str, Any] = {}
    for key, estimate in estimates.items():
        numbers |= {key: estimate.value, f"{key}_ci": estimate.interval}
    eigenvalues = None
    if spectrum and len(stream):
        eigenvalues = torch.linalg.eigvalsh(stream.matrix_DD()).flip(0)[:spectrum].tolist()
    steps = [_step(noise, found) for noise, found in rank_staircase(stream)]
    return SiteUse(name=name, width=stream.width, rank_staircase=steps, activation_spectrum=eigenvalues, **numbers)


def _step(noise: float, found: Estimate) -> RankStep:
    return RankStep(noise=noise, directions=found.value, directions_ci=found.interval)
