"""The random draws of a window: they depend on its number and on a protocol's seed, and on nothing else."""

from __future__ import annotations

import torch

SEEDS_APART = 1_000_003
"""Windows that one seed has to itself. torch's CPU generator looks at the lowest 32 bits of a seed and no more: with
seed * 2**32 + window every seed would draw the same."""


def draws_of(seed: int, window: int) -> torch.Generator:
    """On the CPU, so that every device has the same."""
    return torch.Generator().manual_seed(seed * SEEDS_APART + window)
