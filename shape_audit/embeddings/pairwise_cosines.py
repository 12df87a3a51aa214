"""Cosines between all pairs of token vectors, their spread, and how many directions that leaves room for.

With u_v the unit rows of a matrix, S = sum_v u_v and M = sum_v u_v u_v^T, over the pairs of different rows

    mean cosine = (||S||^2 - V) / (V (V - 1))        mean cos^2 = (||M||_F^2 - V) / (V (V - 1))

exactly: O(V d^2), never V x V. Epsilon = mean + 2 standard deviations is what *Representational Capacity* (arXiv
2606.02765) takes for the deviation from orthogonality that a model tolerates, and

    capacity = (d exp((epsilon^2 d^c / C)^(1/b)))^(1/a)

for the number of directions that fit within it (`code/representational_capacity.py` of github.com/Alex-Guha/
representational-capacity, commit ef4a6e2, from which a, b, c, C are, as fitted to packings made by optimisation).
From epsilon .1 on it calls capacity indeterminate: there the vectors have no near-orthogonal structure. Values that the
paper prints for epsilon: Llama-3-8B .05945, TinyLlama .06329, Qwen2.5-0.5B .36035.
"""

from __future__ import annotations

import math

import numpy as np

from shape_audit.embeddings.matrices import ArrayMatrix, StoredMatrix
from shape_audit.records import MatrixSuperposition

INDETERMINATE = 0.1
_C, _A, _B, _D_POWER = 0.45809143, 1.0668005, 1.44738666, 0.97197234


def crowding(matrix: ArrayMatrix | StoredMatrix, tensor: str) -> MatrixSuperposition | None:
    """How the rows of a matrix lie to each other; rows of zeros, which have no direction, are left out.

    Args:
        tensor: its name in the checkpoint.

    Returns:
        None with fewer than two rows that are not zero, or where a number is not finite.
    """
    width, rows = matrix.shape[1], 0
    sum_D, gram_DD = np.zeros(width), np.zeros((width, width))
    plain_DD = np.zeros((width, width))
    for block_RD in matrix.blocks():
        length_R = np.sqrt(np.square(block_RD).sum(1))
        units_RD = block_RD[length_R > 0] / length_R[length_R > 0, None]
        rows += len(units_RD)
        sum_D += units_RD.sum(0)
        gram_DD += units_RD.T @ units_RD
        plain_DD += block_RD.T @ block_RD
    if rows < 2 or not np.isfinite(plain_DD).all():
        return None
    pairs = rows * (rows - 1)
    mean = (float(sum_D @ sum_D) - rows) / pairs
    mean2 = (float(np.square(gram_DD).sum()) - rows) / pairs
    deviation = math.sqrt(max(0.0, mean2 - mean**2))
    epsilon = mean + 2 * deviation
    total, diagonal = float(np.square(plain_DD).sum()), float(np.square(plain_DD.diagonal()).sum())
    rank = float(plain_DD.trace()) ** 2 / total
    return MatrixSuperposition(
        tensor=tensor,
        rows=rows,
        zero_rows=matrix.shape[0] - rows,
        width=width,
        mean_cosine=mean,
        cosine_sd=deviation,
        epsilon=epsilon,
        mean_cosine2_times_width=mean2 * width,
        capacity=capacity(width, epsilon),
        wtw_aofe_ratio=1 - diagonal / total,
        wtw_aofe_ratio_random_basis=1 - (rank + 2) / (width + 2),
    )


def capacity(width: int, epsilon: float) -> float | None:
    """How many directions of this width stay within a cosine of epsilon; None where that is indeterminate."""
    if not 0 < epsilon < INDETERMINATE:
        return None
    inner = (epsilon**2 * width**_D_POWER / _C) ** (1 / _B)
    return float((width * math.exp(inner)) ** (1 / _A))
