"""Passes over tiny models for tests: the real `ProfilePass`, on models that were never saved."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import torch

from shape_audit.calibration import Window
from shape_audit.interaction import PassPlan, ProfilePass
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.stream.sites import Site, parse_sites
from shape_audit.models import LoadedModel
from tests.tiny_models import tiny_model

DEPTH, WIDTH = 2, 24
SHORT, LONG = 9, 40
"""Window lengths on either side of the width: the two ways of forming ||A_s||^2."""


def random_windows(count: int, length: int, seed: int = 1) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, length), generator=generator).tolist()


def tiny_pass(
    model: str | torch.nn.Module,
    *,
    sites: str = "all",
    protocol: Any = None,
    batch: int = 7,
    dtype: torch.dtype = torch.float64,
    width: int = WIDTH,
    use: bool = False,
) -> ProfilePass:
    """A pass over a tiny model that has seen no window yet."""
    built = tiny_model(model, dtype) if isinstance(model, str) else model
    loaded = LoadedModel(built, dtype, torch.device("cpu"), "sdpa")
    shape: Any = SimpleNamespace(num_hidden_layers=DEPTH, hidden_size=width, vocab_size=256)
    plan = PassPlan(protocol or LossGradient(), parse_sites(sites, DEPTH), seq_len=1, micro_batch=batch, use=use)
    return ProfilePass(loaded, shape, plan)


def extended(a_pass: ProfilePass, windows: Sequence[Sequence[int]]) -> ProfilePass:
    first = len(a_pass.windows)
    a_pass.extend([Window(first + i, (0, len(ids)), tuple(ids)) for i, ids in enumerate(windows)])
    return a_pass


def measured_sums(model: str | torch.nn.Module, windows: Sequence[Sequence[int]], **how: Any) -> dict[Site, SiteSums]:
    return cast(dict[Site, SiteSums], extended(tiny_pass(model, **how), windows).sums)
