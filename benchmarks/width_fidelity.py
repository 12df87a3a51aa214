"""Whether the numbers about width are what they claim: bias and coverage, on a real trained model.

A pool of 1,024 windows is the population: the quotients of its own second moments are the truth. Samples of 8 to 256
windows are drawn from it with repetition, so that every window of a sample is an independent one, put into folds as a
pass does, and go through the package's own `ranks`.

    .venv/bin/python benchmarks/width_fidelity.py [--counts N ...] [--save]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch import Tensor

from benchmarks.fidelity import windows_of
from benchmarks.reporting import heading, publish
from shape_audit.calibration import WindowSet, read_text
from shape_audit.hub import read_checkpoint
from shape_audit.interaction.estimators.upper_triangle import diagonal, inner_product, packed_size, tiles, unpacked
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.stream.block_watch import watched_blocks
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import parse_sites
from shape_audit.interaction.width.fold_sums import FOLDS, FoldMoments
from shape_audit.interaction.width.ranks import (
    Estimate,
    centred_effective_rank,
    effective_rank,
    functional_rank,
)
from shape_audit.models import LoadOptions, load_model
from shape_audit.models.blocks import find_blocks

MODEL, DEPTH, SEQ_LEN = "builtin:bytes-1m", 5, 64
POOL, DRAWS = 1024, 1000
COUNTS = (8, 16, 32, 64, 128, 256)
NAMES = ("effective rank", "centred", "functional rank")


@dataclass(frozen=True)
class WidthPool:
    """Of every window of the pool at one site, per token: x x^T packed, and the mean of x.

    Attributes:
        stream_KP, gradients_KP: of the stream and of the gradients.
        mean_KD: of the stream.
    """

    width: int
    stream_KP: Tensor
    mean_KD: Tensor
    gradients_KP: Tensor

    def truth(self) -> dict[str, float]:
        """The quotients of the pool's own second moments."""
        c_P, g_P, mean_D = self.stream_KP.double().mean(0), self.gradients_KP.double().mean(0), self.mean_KD.mean(0)
        c_DD, product_DD = unpacked(c_P, self.width), unpacked(c_P, self.width) @ unpacked(g_P, self.width)
        centred_DD = c_DD - torch.outer(mean_D, mean_D)
        return {
            "effective rank": float(diagonal(c_P, self.width).sum() ** 2 / inner_product(c_P, c_P, self.width)),
            "centred": float(centred_DD.trace() ** 2 / centred_DD.square().sum()),
            "functional rank": float(product_DD.trace() ** 2 / (product_DD * product_DD.T).sum()),
        }

    def estimates(self, chosen: Tensor) -> dict[str, Estimate]:
        """Of a sample, its windows in folds as a pass has them."""
        folds = [chosen[first::FOLDS] for first in range(min(FOLDS, len(chosen)))]
        stream = self._moments(self.stream_KP, folds)
        found: dict[str, Callable[[], Estimate]] = {
            "effective rank": lambda: effective_rank(stream),
            "centred": lambda: centred_effective_rank(stream),
            "functional rank": lambda: functional_rank(stream, self._moments(self.gradients_KP, folds)),
        }
        return {name: found[name]() for name in NAMES}

    def _moments(self, of_windows_KP: Tensor, folds: list[Tensor]) -> FoldMoments:
        packed_JP = torch.stack([of_windows_KP[fold].double().mean(0) for fold in folds])
        return FoldMoments(self.width, packed_JP, torch.stack([self.mean_KD[fold].mean(0) for fold in folds]))


class PerWindow:
    """Stands where a pass adds to sums of folds: keeps each window apart."""

    def __init__(self, width: int, count: int) -> None:
        self.width = width
        self.stream_KP, self.gradients_KP = torch.empty(2, count, packed_size(width))
        self.mean_KD = torch.empty(count, width, dtype=torch.float64)

    def add_activations(self, stream_BTD: Tensor, first: int, member_B: None) -> None:
        later_BTD = stream_BTD[:, 1:].float()
        self._keep(self.stream_KP, later_BTD, first)
        self.mean_KD[first : first + len(later_BTD)] = later_BTD.double().mean(1)

    def add_gradients(self, grad_BTD: Tensor, first: int, member_B: None) -> None:
        self._keep(self.gradients_KP, 1e3 * grad_BTD[:, 1:].float(), first)

    def _keep(self, into_KP: Tensor, vectors_BTD: Tensor, first: int) -> None:
        moment_BDD = vectors_BTD.mT @ vectors_BTD / vectors_BTD.shape[1]
        for tile in tiles(self.width):
            part_BP = moment_BDD[:, tile.rows, tile.columns].flatten(1)
            into_KP[first : first + len(vectors_BTD), tile.packed] = part_BP


class Nowhere:
    """Stands where a site has its AGOP's sums, which are not looked at here."""

    def __init__(self, width: int) -> None:
        self.width = width

    def add(self, grad_BTD: Tensor, first: int) -> None:
        """Nothing is kept."""


def width_pools(windows: WindowSet, count: int = POOL) -> dict[str, WidthPool]:
    """Of every site of the model."""
    loaded = load_model(read_checkpoint(MODEL), LoadOptions(device="cpu", dtype="float32"))
    blocks, sites = find_blocks(loaded.model, DEPTH), parse_sites("all", DEPTH)
    width = loaded.model.config.hidden_size
    kept = {site.position: PerWindow(width, count) for site in sites}
    ids = torch.tensor([window.input_ids for window in windows.windows[:count]])
    for first in range(0, count, 16):
        batch = MicroBatch(ids[first : first + 16], first)
        with watched_blocks(blocks, batch, kept):  # type: ignore[arg-type]
            LossGradient().add_micro_batch(loaded.model, blocks, batch, dict.fromkeys(sites, Nowhere(width)))  # type: ignore[arg-type]
    found = {site.name: kept[site.position] for site in sites}
    return {name: WidthPool(width, one.stream_KP, one.mean_KD, one.gradients_KP) for name, one in found.items()}


def measure(pool: WidthPool, count: int, draws: int) -> dict[str, tuple[float, float, float]]:
    """Name -> relative bias of the mean, relative spread, and how often the interval covers the truth."""
    generator, truth = torch.Generator().manual_seed(count), pool.truth()
    drawn = [pool.estimates(torch.randint(0, len(pool.mean_KD), (count,), generator=generator)) for _ in range(draws)]
    found = {}
    for name in NAMES:
        values = np.array([one[name].value for one in drawn], dtype=float)
        ends = [one[name].interval or (np.nan, np.nan) for one in drawn]
        covers = float(np.mean([low <= truth[name] <= high for low, high in ends]))
        found[name] = float(values.mean() / truth[name] - 1), float(values.std(ddof=1) / truth[name]), covers
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of windows in a sample")
    parser.add_argument("--save", action="store_true")
    counts = parser.parse_args().counts
    torch.set_num_threads(1)
    pool_of = width_pools(windows_of(MODEL, read_text(), POOL, seq_len=SEQ_LEN))
    measured = {}
    for site, pool in pool_of.items():
        measured[site] = {count: measure(pool, count, DRAWS) for count in counts}
        print(site, measured[site], file=sys.stderr, flush=True)
    text = heading("Width: bias and coverage of effective and functional ranks")
    text += f"\n{MODEL}, windows of {SEQ_LEN} tokens, {DRAWS} samples each. Coverage of the 95 % interval; "
    text += "target 92 to 98 from 32 windows on.\n"
    for name in NAMES:
        text += f"\n{name}: bias % ± spread %, coverage %\n\n| site | truth |{''.join(f' {n} |' for n in counts)}\n"
        text += f"| --- | ---: |{' ---: |' * len(counts)}\n"
        for site, pool in pool_of.items():
            cells = [measured[site][count][name] for count in counts]
            row = "".join(
                f" {100 * bias:+.1f} ± {100 * spread:.1f}, {100 * covers:.1f} |" for bias, spread, covers in cells
            )
            text += f"| {site} | {pool.truth()[name]:.2f} |{row}\n"
    publish(__file__, text)


if __name__ == "__main__":
    main()
