"""A tied autoencoder of 1,000 sparse inputs by way of 2: loss and AOFE against the amount of data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from statistics import mean
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor, nn

from benchmarks.paper.claim import INTERACTION_LAW, SHAPE_SCALING, Claim, Outcome, Verdict
from benchmarks.paper.measuring import interaction_of
from benchmarks.paper.published.tables import rows_of
from benchmarks.paper.run import OutOfTime, Run

SIZES = (3, 5, 8, 10, 15, 30, 50, 100, 200, 500, *(round(n) for n in np.logspace(3, math.log10(20_000), 10)),
         30_000, 40_000)  # fmt: skip
ACTIVE = 0.01
SMALL = 500
"""Examples that take about as long as fewer do: cheap trainings come first, one seed of all before another."""
FEWEST_SEEDS = 2
AT_ONCE = 512
"""Examples of a batch whose gradients are summed one after the other: the processor's cache holds so many."""
CLAIM = Claim(
    name="double_descent",
    sentence="As the amount of data grows, test loss and AOFE rise together, peak together and fall again.",
    published="peak of both at n = 500: loss 1.534 ± .163, AOFE 1.2e5; at n = 40,000 .993 and 1.5 (22 sizes, 5 seeds)",
    source=f"{INTERACTION_LAW}, Double_descent/results_bottleneck_scaling/summary.csv; the follow-up: {SHAPE_SCALING}, "
    "experiments/sparse_reconstruction.py",
)


@dataclass(frozen=True)
class Settings:
    """Of the network, its training and its measurement; AdamW, a quarter of the steps warm-up, then a cosine to 0."""

    width: int = 1000
    bottleneck: int = 2
    steps: int = 3000
    batch: int = 2048
    test: int = 5000
    examples: int = 512


class Autoencoder(nn.Module):
    """relu(x W^T W + b)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(settings.bottleneck, settings.width))
        nn.init.xavier_normal_(self.weight)
        self.bias = nn.Parameter(torch.zeros(settings.width))

    def forward(self, x_ND: Tensor) -> Tensor:
        output_ND: Tensor = torch.relu(x_ND @ self.weight.T @ self.weight + self.bias)
        return output_ND

    def jacobian_factors(self, x_ND: Tensor) -> Tensor:
        """B (N, M, D) of which J J^T = B^T B, J = diag(1[z > 0]) W^T W: B = (W W^T)^(1/2) W diag(1[z > 0])."""
        weight_MD = self.weight.detach().double()
        values_M, vectors_MM = torch.linalg.eigh(weight_MD @ weight_MD.T)
        root_MM = vectors_MM * values_M.clamp(min=0).sqrt() @ vectors_MM.T
        is_active_ND = self(x_ND).detach() > 0
        return (root_MM @ weight_MD).unsqueeze(0) * is_active_ND.unsqueeze(1)


def sparse_examples(count: int, settings: Settings, seed: int) -> Tensor:
    """Unit vectors (N, D) with one entry in a hundred above zero."""
    generator = torch.Generator().manual_seed(seed)
    active_ND = torch.rand(count, settings.width, generator=generator) < ACTIVE
    x_ND = torch.rand(count, settings.width, generator=generator) * active_ND
    return x_ND / x_ND.norm(dim=1, keepdim=True).clamp(min=1e-12)


def trained(examples: int, seed: int, settings: Settings) -> dict[str, Any]:
    """Of one autoencoder: test loss, and the AGOP of its outputs J J^T at test examples."""
    x_train, x_test = (
        sparse_examples(examples, settings, 12345 + examples),
        sparse_examples(settings.test, settings, 54321 + examples),
    )
    torch.manual_seed(seed)
    model = Autoencoder(settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    warmup = max(1, settings.steps // 4)
    rising = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=warmup)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, settings.steps - warmup))
    for step in range(settings.steps):
        chosen = torch.randint(0, examples, (min(settings.batch, examples),))
        optimizer.zero_grad(set_to_none=True)
        for part in chosen.split(AT_ONCE):
            x = x_train[part]
            ((model(x) - x).square().sum() / len(chosen)).backward()
        optimizer.step()
        (rising if step < warmup else falling).step()
    with torch.no_grad():
        loss = float((model(x_test) - x_test).square().sum(1).mean())
    factors_KMD = model.jacobian_factors(x_test[: settings.examples])
    # G is a mean over all rows; the paper's is one over examples, which have M rows each
    return {"loss": loss, **interaction_of(factors_KMD * settings.bottleneck**0.5)}


def measure(run: Run) -> Outcome:
    """The claim holds where mean loss and mean AOFE are largest at the same size or at neighbours, inside the scan, and
    the 95 % interval of the loss there is above those of both ends; it does not hold where the peak is an end."""
    settings = Settings(40, 2, steps=20, batch=32, test=64, examples=16) if run.is_quick else Settings()
    sizes, seeds = ((3, 12, 48), 2) if run.is_quick else (SIZES, 5)
    found: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    pairs = [(size, seed) for seed in range(seeds) for size in sizes]
    for size, seed in sorted(pairs, key=lambda pair: max(SMALL, min(pair[0], settings.batch)) * (pair[1] + 1)):
        with suppress(OutOfTime):
            found[size].append(run.piece(f"{size}-s{seed}", asdict(settings), partial(trained, size, seed, settings)))
    done = {size: rows for size, rows in found.items() if len(rows) >= FEWEST_SEEDS}
    counts = [len(rows) for rows in found.values()]
    notes = [
        f"{len(done)} of {len(sizes)} sizes with two seeds or more; {min(counts)} to {max(counts)} seeds of {seeds} a "
        "size; ± is half a 95 % interval over seeds",
        f"batches of {settings.batch} examples, or of as many as there are, drawn with replacement as the authors do",
        f"plug-in AOFE over {settings.examples} test examples (published: 5,000), U-statistic over the same",
    ]  # fmt: skip
    if len(done) < 3:
        return Outcome("Too few sizes were trained.", "cannot be told", _table(found), notes)
    verdict, words = judged(done, whole_up_to=sizes[-1])
    return Outcome(words, verdict, _table(found), notes)


def judged(done: dict[int, list[dict[str, Any]]], whole_up_to: int) -> tuple[Verdict, str]:
    """The verdict, and peak and end in words.

    Args:
        whole_up_to: the scan's largest size: where it is not there yet, a peak at the end says nothing.
    """
    sizes = sorted(done)
    losses = {size: [row["loss"] for row in done[size]] for size in sizes}
    peak = max(sizes, key=lambda size: mean(losses[size]))
    peak_aofe = max(sizes, key=lambda size: mean(row["aofe"] for row in done[size]))
    ends = (sizes[0], sizes[-1])
    above = all(mean(losses[peak]) - _half(losses[peak]) > mean(losses[end]) + _half(losses[end]) for end in ends)
    is_near = abs(sizes.index(peak) - sizes.index(peak_aofe)) <= 1
    at_peak, at_end = (f"{mean(losses[size]):.3f} ± {_half(losses[size]):.3f}" for size in (peak, ends[1]))
    most, last = (mean(row["aofe"] for row in done[size]) for size in (peak_aofe, ends[1]))
    words = (
        f"The loss peaks at n = {peak}, {at_peak}, AOFE at n = {peak_aofe}, {most:.3g}; at n = {ends[1]:,} they are "
        f"{at_end} and {last:.3g}."
    )
    if peak in ends:
        return ("cannot be told" if peak == ends[1] < whole_up_to else "does not hold"), words
    return ("holds" if above and is_near else "cannot be told"), words


def _half(values: Sequence[float]) -> float:
    """Half of Student's 95 % interval of the mean."""
    if len(values) < FEWEST_SEEDS:
        return math.nan
    return float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))


def _table(found: dict[int, list[dict[str, Any]]]) -> list[list[str]]:
    published = rows_of("double_descent.csv")
    of_size = {int(n): i for i, n in enumerate(published["examples"])}
    table = [["examples", "seeds", "loss", "published", "AOFE", "plug-in", "published", "ratio", "random basis"]]
    for size, rows in found.items():
        if not rows:
            continue
        losses, at = [row["loss"] for row in rows], of_size.get(size)
        means = {name: mean(row[name] or 0.0 for row in rows)
                 for name in ("aofe", "aofe_plugin", "aofe_ratio", "aofe_ratio_random_basis")}  # fmt: skip
        known = ["–", "–"] if at is None else [
            f"{published['loss'][at]:.3f} ± {published['loss_sd'][at]:.3f}", f"{published['aofe'][at]:.3g}"
        ]  # fmt: skip
        table.append([
            f"{size:,}", str(len(rows)),
            f"{mean(losses):.3f} ± {_half(losses):.3f}" if len(losses) > 1 else f"{losses[0]:.3f}", known[0],
            f"{means['aofe']:.3g}", f"{means['aofe_plugin']:.3g}", known[1], f"{means['aofe_ratio']:.3f}",
            f"{means['aofe_ratio_random_basis']:.3f}",
        ])  # fmt: skip
    return table
