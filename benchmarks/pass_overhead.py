"""What AGOP sums, error bars, depth and width cost: the measured pass against the same model's bare one.

Both do one forward and one backward to the input of block 0 on the same windows; the bare one throws the gradients
away. Pairs are run back to back in alternating order, and the ratio of each pair is taken: its median is the result.

    .venv/bin/python benchmarks/pass_overhead.py [--save] [--processor-time]

--processor-time counts the processor's seconds and not the clock's, in fewer pairs: for a machine that others use
meanwhile; on one thread (OMP_NUM_THREADS=1), else threads that wait for each other count too.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from benchmarks.reporting import heading, publish
from shape_audit.hub.builtin_models import builtin_folder
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.profile import check_finite
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.stream.block_watch import watched_blocks
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.residual_stream import read_gradients
from shape_audit.interaction.stream.sites import Site, parse_sites
from shape_audit.interaction.width import WidthSums
from shape_audit.models.blocks import find_blocks
from shape_audit.models.logits import model_logits, window_losses

PROCESSOR_TIME = "--processor-time" in sys.argv
PAIRS = 5 if PROCESSOR_TIME else 15
WAYS = SUMS_ONLY, _, WITH_WIDTH = ("AGOP sums alone", "as `audit` runs it", "with `--use`")


def llama(width: int, depth: int, vocabulary: int = 256) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=width * 8 // 3, num_hidden_layers=depth,
        num_attention_heads=width // 64, max_position_embeddings=1024,
    )  # fmt: skip


CASES = {
    "builtin:bytes-1m, d 128, T 256": (None, 256, 8, "float32"),
    "llama, d 128, T 64": (llama(128, 5), 64, 16, "float32"),
    "llama, d 256, 8 layers, T 256": (llama(256, 8), 256, 4, "float32"),
    "llama, d 512, 8 layers, T 256": (llama(512, 8), 256, 2, "float32"),
    "gpt2 shape, d 768, 12 layers, T 256": (GPT2Config(), 256, 2, "float32"),
    "llama, d 1024, 4 layers, T 512": (llama(1024, 4, 32000), 512, 1, "float32"),
    "llama, d 1024, 4 layers, T 512, bf16": (llama(1024, 4, 32000), 512, 1, "bfloat16"),
}
"""Name -> config (None for the built-in model), seq_len, windows in the micro-batch, dtype."""


def passes(case: str) -> list[Callable[[], None]]:
    """The bare pass of a case, and the pass measured in each of `WAYS`, on the same windows."""
    config, seq_len, batch, dtype_name = CASES[case]
    dtype = getattr(torch, dtype_name)
    torch.manual_seed(0)
    if config is None:
        model = AutoModelForCausalLM.from_pretrained(builtin_folder("bytes-1m"), dtype=dtype)
    else:
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.eval().requires_grad_(False)
    depth, width = model.config.num_hidden_layers, model.config.hidden_size
    blocks, sites = find_blocks(model, depth), parse_sites("all", depth)
    ids = torch.randint(0, 256, (batch, seq_len + 1))
    protocol, cpu = LossGradient(), torch.device("cpu")

    def bare() -> None:
        with read_gradients(blocks, [Site(0)], lambda site, grad: None) as leaves:
            losses = window_losses(model_logits(model, ids[:, :-1]), ids[:, 1:])
            torch.autograd.grad(losses.sum(), leaves)

    def measured(way: str) -> Callable[[], None]:
        sums = {site: SiteSums.zeros(width, dtype=dtype, device=cpu) for site in sites}
        watched = () if way == SUMS_ONLY else blocks
        first = itertools.count(0, batch)

        def run() -> None:
            for site_sums in sums.values():
                site_sums.kept.clear()  # the pass keeps rows of a few thousand windows at most, not of every repetition
            windows = MicroBatch(ids, next(first))
            with watched_blocks(watched, windows, widths):
                protocol.add_micro_batch(model, blocks, windows, sums)
            check_finite(sums)

        widths = {site.position: WidthSums.zeros(width, cpu) for site in sites} if way == WITH_WIDTH else {}
        run()
        for site_sums in sums.values():
            site_sums.freeze()  # as from the fifth window on
        return run

    return [bare, *map(measured, WAYS)]


def seconds(run: Callable[[], None]) -> float:
    clock = time.process_time if PROCESSOR_TIME else time.perf_counter
    started = clock()
    run()
    return clock() - started


def measure(case: str) -> list[tuple[float, float, float]]:
    """Median ratio measured / bare, and the quartiles of the pairs' ratios, for each of `WAYS`."""
    runs = passes(case)
    repeat = max(1, round(0.3 / max(seconds(runs[0]), seconds(runs[0]))))
    ratios: list[list[float]] = [[] for _ in WAYS]
    for pair in range(PAIRS):
        took = {run: sum(seconds(run) for _ in range(repeat)) for run in (runs if pair % 2 else runs[::-1])}
        for found, run in zip(ratios, runs[1:], strict=True):
            found.append(took[run] / took[runs[0]])
    quartiles = [statistics.quantiles(found, n=4) for found in ratios]
    return [(middle, low, high) for low, middle, high in quartiles]


def main() -> None:
    rows = []
    for case in CASES:
        if CASES[case][3] == "bfloat16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            rows.append(f"| {case} | this CPU has no bfloat16 |{' |' * len(WAYS[1:])}")
            continue
        cells = [f"{middle:.3f} ({low:.3f} to {high:.3f})" for middle, low, high in measure(case)]
        rows.append(f"| {case} | {' | '.join(cells)} |")
        print(rows[-1], file=sys.stderr, flush=True)
    text = heading("Measured pass / bare forward and activation backward, all sites")
    text += f"\nMedian and quartiles of {PAIRS} pairs, {torch.get_num_threads()} threads"
    text += ", processor time on a machine in use" if PROCESSOR_TIME else ""
    text += ". Target: at most 1.15 as `audit` runs it, error bars on, and 1.35 with `--use`.\n\n"
    text += f"| case | {' | '.join(WAYS)} |\n| --- |{' ---: |' * len(WAYS)}\n" + "\n".join(rows)
    publish(__file__, text)


if __name__ == "__main__":
    main()
