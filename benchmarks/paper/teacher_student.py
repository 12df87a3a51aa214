"""GRUs of one size that imitate a GRU which sees some of their inputs: loss against interaction over input channels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.paper.claim import Claim, Outcome
from benchmarks.paper.measuring import interaction_of, signs
from benchmarks.paper.run import Run
from benchmarks.paper.scan import CLAIMED, Scan, scan_outcome
from benchmarks.paper.training import NetworkShape, Schedule, shapes_of, train

AUTOREGRESSION, EVENTS, NOISE = 0.85, 0.04, 0.01
CLAIM = Claim(
    name="teacher_student",
    sentence=f"{CLAIMED} GRUs that imitate a teacher GRU from inputs most of which are noise.",
    published="no numbers: the code is there, for 3M parameters and 1 to 12 layers, and no result of it",
    source="github.com/wenjie1835/Interaction_Law, commit 4207f51, experiments/shape_scan/rnn_shape_scan.py",
)


@dataclass(frozen=True)
class Settings:
    """Of the task and its measurement; sequences are drawn as they are needed."""

    params: int
    steps: int
    inputs: int = 32
    useful: int = 8
    outputs: int = 8
    length: int = 32
    teacher: int = 48
    batch: int = 64
    validation: int = 512
    examples: int = 256


class Recurrent(nn.Module):
    """GRU layers, a norm, a linear output; of the first `seen` channels."""

    def __init__(self, seen: int, width: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.seen = seen
        self.layers = nn.GRU(seen, width, num_layers=depth, batch_first=True)
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, outputs)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)
            elif "bias" in name:
                nn.init.zeros_(parameter)

    def forward(self, x_NTX: Tensor) -> Tensor:
        hidden_NTD, _ = self.layers(x_NTX[:, :, : self.seen])
        output: Tensor = self.out(self.norm(hidden_NTD))
        return output


class Sequences:
    """Useful channels that drift, with sudden events; the others are noise. Targets are a fixed teacher's, scaled."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.generator = settings, torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2029)
            self.teacher = Recurrent(settings.useful, settings.teacher, 2, settings.outputs).requires_grad_(False)
        targets = self.teacher(self._inputs(512))
        self.mean, self.scale = targets.mean((0, 1)), targets.std((0, 1)).clamp(min=1e-8)

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """Inputs (N, T, X) and targets (N, T, Y)."""
        x_NTX = self._inputs(count)
        y_NTY = (self.teacher(x_NTX) - self.mean) / self.scale
        return x_NTX, y_NTY + NOISE * torch.randn(y_NTY.shape, generator=self.generator)

    def _inputs(self, count: int) -> Tensor:
        settings = self.settings
        x_NTX = torch.randn(count, settings.length, settings.inputs, generator=self.generator)
        useful_NTU = x_NTX[:, :, : settings.useful]
        for t in range(1, settings.length):
            useful_NTU[:, t] *= math.sqrt(1 - AUTOREGRESSION**2)
            useful_NTU[:, t] += AUTOREGRESSION * useful_NTU[:, t - 1]
        is_event_NT1 = torch.rand(count, settings.length, 1, generator=self.generator) < EVENTS
        useful_NTU += 1.5 * is_event_NT1 * torch.randn(useful_NTU.shape, generator=self.generator)
        return x_NTX


def parameters(depth: int, width: int, inputs: int = 32, outputs: int = 8) -> int:
    first = 3 * width * (inputs + width + 2)
    return first + (depth - 1) * 3 * width * (2 * width + 2) + 2 * width + (width + 1) * outputs


def trained(shape: NetworkShape, seed: int, settings: Settings) -> dict[str, Any]:
    """Of one student: validation loss, and interaction over its input channels."""
    held_out = Sequences(settings, seed=999)
    x_validation, y_validation = held_out.sample(settings.validation)
    x_KTX, _ = held_out.sample(settings.examples)
    torch.manual_seed(1000 * seed + shape.depth)
    model = Recurrent(settings.inputs, shape.width, shape.depth, settings.outputs)
    sequences = Sequences(settings, seed=1000 * seed + shape.depth)
    sequences.mean, sequences.scale = held_out.mean, held_out.scale

    def loss() -> Tensor:
        x_NTX, y_NTY = sequences.sample(settings.batch)
        return F.mse_loss(model(x_NTX), y_NTY)

    train(model, Schedule(settings.steps, learning_rate=3e-3), loss)
    leaf_KTX = x_KTX.requires_grad_(True)
    output_KTY = model(leaf_KTX)
    cotangent_KTY = signs(tuple(output_KTY.shape), torch.Generator().manual_seed(1))
    (grad_KTX,) = torch.autograd.grad((output_KTY * cotangent_KTY).sum(), leaf_KTX)
    with torch.no_grad():
        found = float(F.mse_loss(model(x_validation), y_validation))
    return {"loss": found, **interaction_of(grad_KTX)}


def measure(run: Run) -> Outcome:
    """See the claim."""
    settings = Settings(30_000, 400)
    if run.is_quick:
        settings = Settings(6000, 3, length=6, batch=8, validation=8, examples=16)
    depths = (1, 2, 3, 4) if run.is_quick else (1, 2, 3, 4, 6, 8)
    scan = Scan(
        shapes=shapes_of(depths, settings.params, parameters, multiple=4),
        seeds=1 if run.is_quick else 2,
        settings=asdict(settings),
        trained=lambda shape, seed: trained(shape, seed, settings),
    )
    notes = [
        f"here {settings.params:,} parameters, {settings.inputs} channels of which the teacher sees {settings.useful}, "
        f"{settings.length} steps of time; theirs 3,000,000, 128, 24 and 128",
        "a sequence is the independent unit; one draw of signs a sequence",
    ]
    return scan_outcome(run, scan, notes)
