"""Interaction of any network by the package's own estimators: gradients of independent examples in, numbers out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from shape_audit.interaction.estimators.error_bars import is_reference_point
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.site_report import site_interaction

NUMBERS = ("aofe", "aofe_ratio", "aofe_ratio_excess", "aofe_ratio_random_basis", "effective_rank")
"""U-statistics, beside plug-in values and 95 % intervals."""


def interaction_of(grad_KTD: Tensor) -> dict[str, Any]:
    """Numbers of the AGOP over D channels.

    Args:
        grad_KTD: of K independent examples, each with T gradients; the example takes the place of a window.
    """
    sums = SiteSums.zeros(grad_KTD.shape[2], dtype=grad_KTD.dtype, device=torch.device("cpu"))
    begin = 0
    for end in range(1, len(grad_KTD) + 1):
        if is_reference_point(end) or end == len(grad_KTD):
            sums.add(grad_KTD[begin:end], begin)
            begin = end
            if is_reference_point(end):
                sums.freeze()
    site = site_interaction("input", sums).model_dump(mode="json")
    return {name + of: site[name + of] for name in NUMBERS for of in ("", "_plugin", "_ci") if name + of in site}


def signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Independent +1 and -1: an output cotangent, whose gradient's outer product is J^T J on average."""
    return torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
