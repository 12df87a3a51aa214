"""One way of training all networks of the scans: AdamW, warm-up, a cosine down to a tenth, gradients clipped at 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Count = Callable[[int, int], int]
"""(depth, width) -> parameters."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    steps: int
    learning_rate: float = 1e-3
    warmup: int = 50
    weight_decay: float = 0.01

    def factor(self, step: int) -> float:
        """Of the learning rate at a step."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        through = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, through)))


@dataclass(frozen=True)
class NetworkShape:
    """A network of a scan."""

    depth: int
    width: int
    params: int

    @property
    def r_dw(self) -> float:
        return self.depth / self.width


def train(model: nn.Module, schedule: Schedule, loss_of_batch: Callable[[], Tensor]) -> None:
    """Train in place; `loss_of_batch` draws the next batch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.factor)
    for _ in range(schedule.steps):
        optimizer.zero_grad(set_to_none=True)
        loss_of_batch().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    model.eval().requires_grad_(False)


def shapes_of(depths: tuple[int, ...], params: int, count: Count, multiple: int = 8) -> list[NetworkShape]:
    """For each depth the width, a multiple of 8, that comes closest to so many parameters."""
    found = []
    for depth in depths:
        missed = {width: abs(count(depth, width) - params) for width in range(multiple, 1025, multiple)}
        width = min(missed, key=missed.__getitem__)
        found.append(NetworkShape(depth, width, count(depth, width)))
    return found
