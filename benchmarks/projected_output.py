"""`projected-output` against the authors' way of measuring the same thing: what equal standard errors cost.

Theirs: 16 windows, 8 Gaussian tangents each, a loop of `torch.autograd.functional.jvp` (a double backward), plug-in
AOFE-ratio. Ours: 64 windows, one tangent each, forward mode, U-statistic. Both run on the same model and pool, in
alternating order; the time to theirs' standard error is ours times the ratio of variances.

    .venv/bin/python benchmarks/projected_output.py [--save]
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor

from benchmarks.fidelity import windows_of
from benchmarks.reporting import heading, publish
from shape_audit.calibration import Window, read_text
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import PassPlan, ProfilePass
from shape_audit.interaction.protocols.projected_output import PROJECTIONS, ProjectedOutput, logits_of_embeddings
from shape_audit.interaction.stream.sites import OUTPUT
from shape_audit.models import LoadedModel, LoadOptions, load_model
from shape_audit.records import ModelShape
from shape_audit.shape import describe

MODEL, SEQ_LEN, POOL, REPEATS = "builtin:bytes-1m", 256, 1024, 20
THEIR_WINDOWS, THEIR_TANGENTS, OUR_WINDOWS = 16, 8, 64


def their_ratio(model: torch.nn.Module, ids_BT: Tensor, projection_PV: Tensor) -> float:
    """The plug-in AOFE-ratio from several tangents of few windows, all windows in one call a tangent."""
    embeddings_BTD = model.get_input_embeddings()(ids_BT).detach()
    agop_PP = torch.zeros(PROJECTIONS, PROJECTIONS)

    def projected(embeddings_BTD: Tensor) -> Tensor:
        return logits_of_embeddings(model, ids_BT, embeddings_BTD)[:, -1] @ projection_PV.T

    for _ in range(THEIR_TANGENTS):
        product_BP = torch.autograd.functional.jvp(projected, embeddings_BTD, torch.randn_like(embeddings_BTD))[1]
        agop_PP += product_BP.T @ product_BP
    return 1 - float(agop_PP.diagonal().square().sum() / agop_PP.square().sum())


def our_ratio(loaded: LoadedModel, shape: ModelShape, windows: list[Window], seed: int) -> float:
    a_pass = ProfilePass(loaded, shape, PassPlan(ProjectedOutput(seed), (OUTPUT,), seq_len=SEQ_LEN, micro_batch=16))
    a_pass.protocol._projection = ProjectedOutput().projection(shape.vocab_size)  # new tangents, the same P
    a_pass.extend(windows)
    ratio = a_pass.profile().sites[0].aofe_ratio
    assert ratio is not None
    return ratio


def main() -> None:
    checkpoint = read_checkpoint(MODEL)
    shape = describe(checkpoint).shape
    loaded = load_model(checkpoint, LoadOptions(device="cpu", attn_implementation="eager"))
    pool = windows_of(MODEL, read_text(), POOL, seq_len=SEQ_LEN).windows
    projection_PV = ProjectedOutput().projection(shape.vocab_size).float()
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    theirs, ours, their_seconds, our_seconds = [], [], [], []
    for repeat in range(REPEATS):
        order = torch.randperm(len(pool), generator=generator).tolist()
        ids = torch.tensor([pool[i].input_ids[:-1] for i in order[:THEIR_WINDOWS]])
        for turn in ("theirs", "ours") if repeat % 2 else ("ours", "theirs"):
            started = time.perf_counter()
            if turn == "theirs":
                theirs.append(their_ratio(loaded.model, ids, projection_PV))
                their_seconds.append(time.perf_counter() - started)
            else:
                ours.append(our_ratio(loaded, shape, [pool[i] for i in order[-OUR_WINDOWS:]], repeat))
                our_seconds.append(time.perf_counter() - started)
    their_sd, our_sd = statistics.stdev(theirs), statistics.stdev(ours)
    their_time, our_time = statistics.median(their_seconds), statistics.median(our_seconds)
    speedup = their_time / (our_time * (our_sd / their_sd) ** 2)
    text = heading("projected-output at equal standard error")
    text += f"""
{MODEL}, {SEQ_LEN} tokens, float32, eager attention, {REPEATS} repetitions in alternating order.

| | windows x tangents | mean AOFE-ratio | s.d. | seconds (median) |
| --- | ---: | ---: | ---: | ---: |
| theirs (double backward, plug-in) | {THEIR_WINDOWS} x {THEIR_TANGENTS} | {statistics.mean(theirs):.4f} \
| {their_sd:.4f} | {their_time:.2f} |
| ours (forward mode, U-statistic) | {OUR_WINDOWS} x 1 | {statistics.mean(ours):.4f} | {our_sd:.4f} | {our_time:.2f} |

Time to the same standard error: theirs takes {speedup:.1f} times as long (target: at least 2)."""
    publish(__file__, text)


if __name__ == "__main__":
    main()
