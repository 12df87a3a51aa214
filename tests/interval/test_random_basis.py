"""Ratio and random basis: the published correlation, and the effective rank behind it against eigenvalues."""

import numpy as np
import pytest

from shape_audit.interval import interaction_and_loss
from shape_audit.interval.random_basis import effective_rank, tiny_gpts_against_random_basis


def test_the_papers_tiny_gpts() -> None:
    found = tiny_gpts_against_random_basis()
    assert (found.n, round(found.pearson, 3)) == (15, 0.989)
    assert 0 < found.alignment[0] < found.alignment[1] < 0.05, "channels are a little more separate than by chance"
    shown = interaction_and_loss(draws=100)
    assert shown is not None and shown.against_random_basis == [found]


def test_the_effective_rank_is_that_of_the_eigenvalues() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 9)) * np.arange(1, 10)
    matrix = rows.T @ rows
    diagonal = matrix.diagonal()
    off = sum(matrix[i, j] ** 2 for i in range(9) for j in range(9) if i != j)
    cosines = off / sum(diagonal[i] * diagonal[j] for i in range(9) for j in range(9) if i != j)
    values = np.linalg.eigvalsh(matrix)
    found = effective_rank(np.array([off]), np.array([off / (matrix**2).sum()]), np.array([cosines]))
    assert found[0] == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-10)
