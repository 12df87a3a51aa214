"""`projected-output` against the authors' way of measuring the same thing: what equal standard errors cost.

Theirs: 16 windows, 8 Gaussian tangents each, a loop of `torch.autograd.functional.jvp` (a double backward), plug-in
AOFE-ratio. Ours: a pass over 64 windows, U-statistic. Both see the same windows and model, in alternating order.

Standard deviations are of the ratio from 16 windows, either way: the windows are divided into groups of 16 at random,
many times over, and the variance between groups is averaged. The time to theirs' standard error is ours times the
ratio of variances. What fewer Gaussian tangents would leave is seen on the way: the first of theirs, as U-statistic.

    .venv/bin/python benchmarks/projected_output.py [--save]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor

from benchmarks.fidelity import windows_of
from benchmarks.reporting import heading, publish
from shape_audit.calibration import Window, read_text
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import PassPlan, ProfilePass
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.projected_output import PROJECTIONS, ProjectedOutput, logits_of_embeddings
from shape_audit.interaction.stream.sites import OUTPUT
from shape_audit.models import LoadedModel, LoadOptions, load_model
from shape_audit.records import ModelShape
from shape_audit.shape import describe

MODEL, SEQ_LEN, WINDOWS, DIVISIONS = "builtin:bytes-1m", 256, 256, 500
THEIR_WINDOWS, THEIR_TANGENTS, OUR_WINDOWS = 16, 8, 64


class KeepsColumns(SiteSums):
    """Sums that remember what was added to them."""

    def add(self, grad_BTD: Tensor, first: int) -> None:
        self.columns = [*getattr(self, "columns", []), grad_BTD]
        super().add(grad_BTD, first)


@dataclass
class Cost:
    """Seconds of each call, by the clock and of the processors."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def of(self, call: Callable[[], Tensor]) -> Tensor:
        wall, processor = time.perf_counter(), time.process_time()
        result = call()
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)
        return result


def their_columns(model: torch.nn.Module, windows: list[Window], projection_PV: Tensor) -> Tensor:
    """y (B, C, P) from several tangents of few windows, all windows in one call a tangent."""
    ids_BT = torch.tensor([window.input_ids[:-1] for window in windows])
    embeddings_BTD = model.get_input_embeddings()(ids_BT).detach()

    def projected(embeddings_BTD: Tensor) -> Tensor:
        return logits_of_embeddings(model, ids_BT, embeddings_BTD)[:, -1] @ projection_PV.T

    tangents = (torch.randn_like(embeddings_BTD) for _ in range(THEIR_TANGENTS))
    return torch.stack([torch.autograd.functional.jvp(projected, embeddings_BTD, u)[1] for u in tangents], 1)


def our_columns(loaded: LoadedModel, shape: ModelShape, windows: list[Window], seed: int) -> Tensor:
    """y (B, C, P) from a whole pass, with all that it checks and reports."""
    a_pass = ProfilePass(loaded, shape, PassPlan(ProjectedOutput(seed), (OUTPUT,), seq_len=SEQ_LEN, micro_batch=16))
    a_pass.protocol._projection = ProjectedOutput().projection(shape.vocab_size)  # new directions, the same P
    sums = a_pass.sums[OUTPUT] = KeepsColumns.zeros(PROJECTIONS, dtype=torch.float32, device=torch.device("cpu"))
    a_pass.extend(windows)
    a_pass.profile()
    return torch.cat(sums.columns)


def plugin_ratio(a_KPP: Tensor) -> float:
    """The AOFE-ratio of the windows' mean."""
    agop_PP = a_KPP.sum(0)
    return 1 - float(agop_PP.diagonal().square().sum() / agop_PP.square().sum())


def u_ratio(a_KPP: Tensor) -> float:
    """The AOFE-ratio from products of different windows."""
    diagonal_KP, agop_PP = a_KPP.diagonal(dim1=1, dim2=2), a_KPP.sum(0)
    diagonal = agop_PP.diagonal().square().sum() - diagonal_KP.square().sum()
    return 1 - float(diagonal / (agop_PP.square().sum() - a_KPP.square().sum()))


def mean_and_sd(columns_KCP: Tensor, ratio: Callable[[Tensor], float]) -> tuple[float, float]:
    """Of the ratio from groups of `THEIR_WINDOWS`: no window is in two groups of a division."""
    y_KCP = columns_KCP.double()
    a_KPP = y_KCP.mT @ y_KCP / y_KCP.shape[1]
    generator = torch.Generator().manual_seed(0)
    means, variances = [], []
    for _ in range(DIVISIONS):
        groups = torch.randperm(len(a_KPP), generator=generator).split(THEIR_WINDOWS)
        ratios = [ratio(a_KPP[group]) for group in groups]
        means.append(statistics.mean(ratios))
        variances.append(statistics.variance(ratios))
    return statistics.mean(means), statistics.mean(variances) ** 0.5


def main() -> None:
    checkpoint = read_checkpoint(MODEL)
    shape = describe(checkpoint).shape
    loaded = load_model(checkpoint, LoadOptions(device="cpu", attn_implementation="eager"))
    windows = windows_of(MODEL, read_text(), WINDOWS, seq_len=SEQ_LEN).windows
    projection_PV = ProjectedOutput().projection(shape.vocab_size).float()
    torch.manual_seed(0)
    order = torch.randperm(WINDOWS).tolist()
    theirs, ours, their_cost, our_cost = [], [], Cost(), Cost()
    for begin in range(0, WINDOWS, OUR_WINDOWS):
        some = [windows[i] for i in order[begin : begin + OUR_WINDOWS]]
        for turn in ("theirs", "ours") if begin // OUR_WINDOWS % 2 else ("ours", "theirs"):
            if turn == "ours":
                ours.append(our_cost.of(lambda some=some, seed=begin: our_columns(loaded, shape, some, seed)))
                continue
            for at in range(0, len(some), THEIR_WINDOWS):
                few = some[at : at + THEIR_WINDOWS]
                theirs.append(their_cost.of(lambda few=few: their_columns(loaded.model, few, projection_PV)))
    their_KCP, our_KCP = torch.cat(theirs), torch.cat(ours)
    rows, cost_times_variance = [], []
    for name, columns_KCP, ratio, cost, size in (
        ("theirs: 8 tangents, double backward, plug-in", their_KCP, plugin_ratio, their_cost, THEIR_WINDOWS),
        ("ours: q and 2 tangents, U-statistic", our_KCP, u_ratio, our_cost, OUR_WINDOWS),
    ):
        mean, sd = mean_and_sd(columns_KCP, ratio)
        wall, processor = (statistics.median(seconds) / size for seconds in (cost.wall, cost.processor))
        rows.append(f"| {name} | {mean:.4f} | {sd:.4f} | {1e3 * wall:.0f} | {1e3 * processor:.0f} |")
        cost_times_variance.append((sd**2 * wall, sd**2 * processor))
    for count in (1, 2, 4, 8):
        mean, sd = mean_and_sd(their_KCP[:, :count], u_ratio)
        rows.append(f"| {count} Gaussian tangents, U-statistic | {mean:.4f} | {sd:.4f} | | |")
    speedup, of_processors = (theirs / ours for theirs, ours in zip(*cost_times_variance, strict=True))
    text = heading("projected-output at equal standard error")
    text += f"""
{MODEL}, {SEQ_LEN} tokens, float32, eager attention, {WINDOWS} windows, each measured both ways, in alternating order.
Theirs {THEIR_WINDOWS} windows a call, ours {OUR_WINDOWS} a pass, everything that a pass checks and reports included.

| a window | mean AOFE-ratio of {THEIR_WINDOWS} windows | s.d. | ms a window (median) | ms of processors |
| --- | ---: | ---: | ---: | ---: |
{chr(10).join(rows)}

Time to the same standard error: theirs takes {speedup:.1f} times as long, and {of_processors:.1f} times the
processor time (target: at least 2)."""
    publish(__file__, text)


if __name__ == "__main__":
    main()
