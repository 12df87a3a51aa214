"""MLPs of one size on a low-rank regression task: loss against interaction over inputs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.paper.claim import INTERACTION_LAW, Claim, Outcome
from benchmarks.paper.measuring import interaction_of
from benchmarks.paper.run import Run
from benchmarks.paper.scan import CLAIMED, Scan, authors_note, scan_outcome
from benchmarks.paper.training import NetworkShape, Schedule, shapes_of, train

INPUTS, LATENT = 64, 8
CLAIM = Claim(
    name="mlp_scan",
    sentence=f"{CLAIMED} MLPs on pairwise products and Hermite polynomials of projections.",
    published="15 MLPs of 300k parameters, one seed each; best at 16 layers (R_D/W .167), loss .0123",
    source=f"{INTERACTION_LAW}, shape_scan/results_mlp_agop_shape_scan/mlp_shape_scan_results.csv",
)


@dataclass(frozen=True)
class Settings:
    """Of the task and its measurement."""

    params: int
    steps: int
    train: int
    batch: int = 256
    validation: int = 4096
    examples: int = 1024
    noise: float = 0.03


class Task:
    """y = .55 x0 x1 + .55 (.8 He2(u x) + .35 He4(v x)) + .35 (A x)(B x) m + .05 sin(2 w x) + noise, the authors'."""

    def __init__(self, noise: float, seed: int) -> None:
        self.generator, self.noise = torch.Generator().manual_seed(seed), noise
        self.a_XL, self.b_XL = (F.normalize(self._normal(INPUTS, LATENT), dim=0) for _ in range(2))
        self.u_X, self.v_X, self.w_X = (F.normalize(self._normal(INPUTS), dim=0) for _ in range(3))
        self.mix_L = self._normal(LATENT)

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """Inputs (N, X) and targets (N, 1)."""
        x_NX = self._normal(count, INPUTS)
        z_N, q_N = x_NX @ self.u_X, x_NX @ self.v_X
        hermite_N = 0.8 * (z_N**2 - 1) + 0.35 * (q_N**4 - 6 * q_N**2 + 3)
        mixed_N = ((x_NX @ self.a_XL) * (x_NX @ self.b_XL)) @ self.mix_L / math.sqrt(LATENT)
        y_N = 0.55 * x_NX[:, 0] * x_NX[:, 1] + 0.55 * hermite_N + 0.35 * mixed_N
        y_N += 0.05 * torch.sin(2 * (x_NX @ self.w_X)) + self.noise * self._normal(count)
        return x_NX, y_N.unsqueeze(1)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)


class Block(nn.Module):
    """x + W2 gelu(W1 gelu(x)) / sqrt 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.gelu(self.first(F.gelu(x)))) / math.sqrt(2)


def network(depth: int, width: int) -> nn.Module:
    """As the authors': weights N(0, .03^2)."""
    blocks = [Block(width) for _ in range(depth)]
    model = nn.Sequential(nn.Linear(INPUTS, width), *blocks, nn.GELU(), nn.Linear(width, 1))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.03)
            nn.init.zeros_(module.bias)
    return model


def parameters(depth: int, width: int) -> int:
    return (INPUTS + 1) * width + depth * 2 * (width + 1) * width + width + 1


def trained(shape: NetworkShape, seed: int, settings: Settings) -> dict[str, Any]:
    """Of one MLP: validation loss, and the interaction of its output's gradients at held-out inputs."""
    task = Task(settings.noise, seed=788)
    x_train, y_train = task.sample(settings.train)
    x_validation, y_validation = task.sample(settings.validation)
    inputs_KX, _ = task.sample(settings.examples)
    torch.manual_seed(1000 * seed + shape.depth)
    model = network(shape.depth, shape.width)

    def loss() -> Tensor:
        chosen = torch.randint(0, settings.train, (settings.batch,))
        return F.mse_loss(model(x_train[chosen]), y_train[chosen])

    train(model, Schedule(settings.steps), loss)
    leaf_KX = inputs_KX.requires_grad_(True)
    (grad_KX,) = torch.autograd.grad(model(leaf_KX).sum(), leaf_KX)
    with torch.no_grad():
        found = float(F.mse_loss(model(x_validation), y_validation))
    return {"loss": found, **interaction_of(grad_KX.unsqueeze(1))}


def measure(run: Run) -> Outcome:
    """See the claim."""
    settings = Settings(4000, 8, 256, validation=64, examples=16) if run.is_quick else Settings(60_000, 3000, 20_000)
    depths = (1, 2, 3, 4) if run.is_quick else (2, 3, 4, 6, 8, 12, 16)
    scan = Scan(
        shapes=shapes_of(depths, settings.params, parameters),
        seeds=1 if run.is_quick else 2,
        settings=asdict(settings),
        trained=lambda shape, seed: trained(shape, seed, settings),
    )
    notes = [
        authors_note("mlp_scan.csv"),
        "their stored summary (figures/depth_scan_summary.txt) is of another run than their table: 13 depths, best "
        "loss .0075 at 13 layers",
        f"here {settings.params:,} parameters, {settings.steps} steps and a cosine to the end; theirs 300,000, until "
        "20 evaluations bring nothing, after 10,000 to 21,600 steps",
        "each example's gradient once: a single output has no other cotangents than +1 and -1",
    ]
    return scan_outcome(run, scan, notes)
