"""How closely the AOFE-ratio follows that of a random basis, over models: what of it is more than effective rank.

In a random orthonormal basis a matrix of effective rank PR and width d has R0 = 1 - (PR + 2) / (d + 2) on average.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shape_audit.records import AgainstRandomBasis, AuditRecord
from shape_audit.shipped import rows

Floats = NDArray[np.float64]
FEWEST = 4


def tiny_gpts_against_random_basis() -> AgainstRandomBasis:
    """Of the models that the paper's authors trained at 3M parameters, from their published numbers (plug-in)."""
    ratio_N, aofe_N, cos2_N, width_N = (
        np.array([float(row[name]) for row in rows("tiny_gpt_scan")])
        for name in ("aofe_ratio", "aofe", "mean_cos2", "hidden_size")
    )
    rank_N = effective_rank(aofe_N, ratio_N, cos2_N)
    return _against("tiny GPTs of the paper", ratio_N, 1 - (rank_N + 2) / (width_N + 2))


def effective_rank(aofe_N: Floats, ratio_N: Floats, cos2_N: Floats) -> Floats:
    """tr^2 / energy, of matrices that are known by AOFE, AOFE-ratio = AOFE / energy, and mean cos^2 = AOFE / (tr^2 -
    diagonal energy)."""
    energy_N = aofe_N / ratio_N
    squared_trace_N = aofe_N / cos2_N + energy_N - aofe_N
    rank_N: Floats = squared_trace_N / energy_N
    return rank_N


def records_against_random_basis(records: Sequence[AuditRecord]) -> AgainstRandomBasis | None:
    """Of audits, at the embedding; None for fewer than four, or ratios that are all alike."""
    sites = [record.interaction.sites[0] for record in records if record.interaction is not None]
    points = [
        (site.aofe_ratio, site.aofe_ratio_random_basis)
        for site in sites
        if site.aofe_ratio is not None and site.aofe_ratio_random_basis is not None
    ]
    if len(points) < FEWEST:
        return None
    ratio_N, basis_N = np.array(points).T
    if np.ptp(ratio_N) == 0 or np.ptp(basis_N) == 0:
        return None
    return _against("open models", ratio_N, basis_N)


def _against(models: str, ratio_N: Floats, basis_N: Floats) -> AgainstRandomBasis:
    alignment_N = 1 - ratio_N / basis_N
    return AgainstRandomBasis(
        models=models,
        n=len(ratio_N),
        pearson=float(np.corrcoef(ratio_N, basis_N)[0, 1]),
        alignment=(float(alignment_N.min()), float(alignment_N.max())),
    )
