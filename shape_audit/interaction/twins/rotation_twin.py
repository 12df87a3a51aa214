"""The AOFE-ratio in a random basis the long way: an explicit average over Haar rotations, in float64.

For tests and for readers; shares no code with `estimators.statistics`, which has the average in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor


def random_rotation(width: int, generator: torch.Generator) -> Tensor:
    """An orthogonal matrix (D, D) of Haar's measure: Q of a Gaussian matrix, its signs made unique (Mezzadri, Notices
    of the AMS 54, 2007)."""
    gaussian_DD = torch.randn(width, width, generator=generator, dtype=torch.float64)
    q_DD, r_DD = torch.linalg.qr(gaussian_DD)
    rotation_DD: Tensor = q_DD * r_DD.diagonal().sign()
    return rotation_DD


def ratio_over_rotations(agop_DD: Tensor, draws: int, generator: torch.Generator) -> tuple[float, float]:
    """Mean of the AOFE-ratio of Q G Q^T over random rotations Q, and the standard error of that mean."""
    ratios = []
    for _ in range(draws):
        q_DD = random_rotation(len(agop_DD), generator)
        rotated_DD = q_DD @ agop_DD @ q_DD.T
        off_DD = rotated_DD - rotated_DD.diagonal().diag()
        ratios.append(float((off_DD**2).sum() / (rotated_DD**2).sum()))
    found = torch.tensor(ratios, dtype=torch.float64)
    return float(found.mean()), float(found.std() / draws**0.5)
