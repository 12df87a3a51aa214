"""CNNs of one size that fill in masked patches: loss against interaction inside 3 x 3 patches of the input."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.paper.claim import INTERACTION_LAW, Claim, Outcome
from benchmarks.paper.measuring import interaction_of, signs
from benchmarks.paper.run import Run
from benchmarks.paper.scan import CLAIMED, Scan, authors_note, scan_outcome
from benchmarks.paper.training import NetworkShape, Schedule, shapes_of, train

PATCH, KERNEL, MASKED, BLOBS, GROUPS = 4, 3, 0.65, 8, 4
CLAIM = Claim(
    name="cnn_scan",
    sentence=f"{CLAIMED} CNNs on images with masked patches, by the AGOP of input patches.",
    published="23 CNNs of 3M parameters, one seed each; best at 12 blocks (R_D/W .1), loss .00631; Spearman with the "
    "loss +.47 for AOFE, +.12 for the ratio",
    source=f"{INTERACTION_LAW}, shape_scan/results_cnn_masked_patch_feature_scan/depth_scan_results.csv, "
    "correlations.json",
)


@dataclass(frozen=True)
class Settings:
    """Of the task and its measurement; images are drawn as they are needed."""

    params: int
    steps: int
    size: int = 16
    batch: int = 64
    validation: int = 1024
    examples: int = 256


class Images:
    """Blobs of colour on a gradient with stripes, drawn by formulas: the authors', without their data sets."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.generator = size, torch.Generator().manual_seed(seed)
        line = torch.linspace(-1, 1, size)
        self.y_11HW, self.x_11HW = (axis[None, None] for axis in torch.meshgrid(line, line, indexing="ij"))

    def sample(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Masked images with the mask as a fourth channel (N, 4, H, W), whole images, masks (N, 1, H, W)."""
        slope_x, slope_y = (0.08 * torch.randn(count, 3, 1, 1, generator=self.generator) for _ in range(2))
        image = 0.2 * self._uniform(count, 3) + slope_x * self.x_11HW + slope_y * self.y_11HW
        for _ in range(BLOBS):
            at_x, at_y = (1.7 * self._uniform(count) - 0.85 for _ in range(2))
            wide, high = (0.06 + 0.24 * self._uniform(count) for _ in range(2))
            blob = torch.exp(-(((self.x_11HW - at_x) / wide) ** 2 + ((self.y_11HW - at_y) / high) ** 2) / 2)
            image = image + (0.25 + 0.65 * self._uniform(count)) * self._uniform(count, 3) * blob
        angle, phase = math.pi * self._uniform(count), 2 * math.pi * self._uniform(count)
        stripes = torch.randint(2, 9, (count, 1, 1, 1), generator=self.generator)
        along = angle.cos() * self.x_11HW + angle.sin() * self.y_11HW
        image = (image + 0.06 * torch.sin(stripes * math.pi * along + phase)).clamp(0, 1)
        grid = self.size // PATCH
        mask = (torch.rand(count, 1, grid, grid, generator=self.generator) < MASKED).float()
        mask = mask.repeat_interleave(PATCH, dim=2).repeat_interleave(PATCH, dim=3)
        return torch.cat([image * (1 - mask) + 0.5 * mask, mask], dim=1), image, mask

    def _uniform(self, count: int, channels: int = 1) -> Tensor:
        return torch.rand(count, channels, 1, 1, generator=self.generator)


class Block(nn.Module):
    """x + two normalised convolutions / sqrt 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, width) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        change = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            change = convolution(F.gelu(norm(change)))
        return x + change / math.sqrt(2)


def network(depth: int, width: int) -> nn.Module:
    """As the authors'."""
    blocks = [Block(width) for _ in range(depth)]
    ends = nn.Conv2d(4, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
    model = nn.Sequential(ends[0], *blocks, nn.GroupNorm(GROUPS, width), nn.GELU(), ends[1])
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            nn.init.zeros_(module.bias)
    return model


def parameters(depth: int, width: int) -> int:
    return 36 * width + width + depth * (18 * width**2 + 6 * width) + 2 * width + 27 * width + 3


def masked_loss(predicted: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over masked pixels."""
    return ((predicted - image).square() * mask).sum() / (3 * mask.sum()).clamp(min=1)


def patch_gradients(model: nn.Module, inputs: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
    """Gradients of masked outputs against random signs, in 3 x 3 patches of the image: (K, H W, 27)."""
    image = inputs[:, :3].clone().requires_grad_(True)
    output = model(torch.cat([image, inputs[:, 3:]], dim=1))
    cotangent = signs(tuple(output.shape), generator) * mask
    (grad,) = torch.autograd.grad((output * cotangent).sum(), image)
    return F.unfold(grad, KERNEL, padding=KERNEL // 2).transpose(1, 2)


def trained(shape: NetworkShape, seed: int, settings: Settings) -> dict[str, Any]:
    """Of one CNN: validation loss, and interaction of input patches."""
    held_out = Images(settings.size, seed=905)
    validation, examples = held_out.sample(settings.validation), held_out.sample(settings.examples)
    torch.manual_seed(1000 * seed + shape.depth)
    model, images = network(shape.depth, shape.width), Images(settings.size, seed=1000 * seed + shape.depth)

    def loss() -> Tensor:
        inputs, image, mask = images.sample(settings.batch)
        return masked_loss(model(inputs), image, mask)

    train(model, Schedule(settings.steps), loss)
    with torch.no_grad():
        found = float(masked_loss(model(validation[0]), validation[1], validation[2]))
    gradients = patch_gradients(model, examples[0], examples[2], torch.Generator().manual_seed(1))
    return {"loss": found, **interaction_of(gradients)}


def measure(run: Run) -> Outcome:
    """See the claim."""
    settings = Settings(4000, 3, size=8, batch=8, validation=16, examples=16) if run.is_quick else Settings(60_000, 200)
    depths = (1, 2, 3, 4) if run.is_quick else (2, 3, 4, 6, 8, 12)
    scan = Scan(
        shapes=shapes_of(depths, settings.params, parameters, multiple=GROUPS),
        seeds=1 if run.is_quick else 2,
        settings=asdict(settings),
        trained=lambda shape, seed: trained(shape, seed, settings),
    )
    notes = [
        authors_note("cnn_scan.csv"),
        f"here {settings.params:,} parameters on images of {settings.size} x {settings.size}, {settings.steps} steps "
        f"of {settings.batch}, norms of {GROUPS} groups; theirs 3,000,000 on 32 x 32, about 700 steps of 128, 8 groups",
        "an image is the independent unit; one draw of signs an image, where theirs are two of Gaussian numbers",
    ]
    return scan_outcome(run, scan, notes)
