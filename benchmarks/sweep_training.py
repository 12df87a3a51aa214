"""What bounds a sweep's training, whether it ever waits for data, and what watching it costs.

The share of the peak is of operations that a step cannot do without (`sweep.plan.training_flops`, less the masked half
of the attention matrices, which that counts by convention) over what a product of two large float32 matrices reaches on
the same machine in the same minute: the best of rounds that alternate with the training steps, since machines are
noisy. Where the share is below the target, the profile says what takes the rest: of the time of all operators, those
that multiply matrices, attention, and everything else.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.reporting import heading, publish
from shape_audit.records import PlannedShape
from shape_audit.shape import family_named
from shape_audit.sweep import SweepOptions, byte_tokenizer, fixed_windows, plan_shapes, watch
from shape_audit.sweep.bytes_data import batch_starts, read_data, windows_at
from shape_audit.sweep.plan import schedule_of, sizes_of, training_flops
from shape_audit.sweep.training import Job, TrainingLoop, accelerator_for, chosen_precision

ROUNDS = 5
MATRIX = 2048
TARGET = 0.6
WATCHED_WINDOWS, WATCHED_TOKENS, EVERY = 32, 128, 100
OPTIONS = SweepOptions(params="300k,1m", depths="1,4,16", data="builtin:python-docs")


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def loop_of(shape: PlannedShape) -> TrainingLoop:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = chosen_precision(device, "auto")
    job = Job(
        "llama",
        sizes_of(shape, OPTIONS),
        0,
        schedule_of(shape, OPTIONS),
        shape.learning_rate,
        OPTIONS.batch,
        OPTIONS.seq_len,
        precision,
    )
    return TrainingLoop(job, read_data(OPTIONS.data, seq_len=OPTIONS.seq_len).train, accelerator_for(device, precision))


def matmul_peak(device: torch.device, dtype: torch.dtype) -> Callable[[], float]:
    """Measures operations a second of one product of large matrices."""
    a, b = (torch.randn(MATRIX, MATRIX, device=device, dtype=dtype) for _ in range(2))

    def measure() -> float:
        def product() -> None:
            float((a @ b)[0, 0])

        product()
        return 2 * MATRIX**3 / timed(product)

    return measure


def profile(loop: TrainingLoop) -> dict[str, float]:
    """Share of the operators' own time, by kind."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        float(loop.step(ROUNDS + 1))
    spent: defaultdict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        name = event.key
        kind = "matrices" if "mm" in name.split("::")[-1] else "attention" if "dot_product" in name else "all else"
        spent[kind] += event.self_cpu_time_total
    whole = sum(spent.values())
    return {kind: spent[kind] / whole for kind in ("matrices", "attention", "all else")}


def row(shape: PlannedShape) -> str:
    loop = loop_of(shape)
    device = next(loop.model.parameters()).device
    peak = matmul_peak(device, torch.bfloat16 if loop.job.precision == "bfloat16" else torch.float32)
    float(loop.step(0))
    steps, peaks = [], []
    for number in range(1, ROUNDS + 1):
        peaks.append(peak())
        steps.append(timed(lambda number=number: float(loop.step(number))))  # type: ignore[misc]
    step = min(steps)
    tokens = OPTIONS.batch * OPTIONS.seq_len
    sizes = loop.job.sizes
    masked = 6.0 * tokens * sizes.num_hidden_layers * sizes.hidden_size * OPTIONS.seq_len
    flops = training_flops(family_named("llama"), sizes, tokens=tokens, seq_len=OPTIONS.seq_len) - masked
    text = loop._text
    drawing = min(
        timed(lambda: windows_at(text, batch_starts(
            0, 1, batch=OPTIONS.batch, seq_len=OPTIONS.seq_len, text_bytes=len(text)), OPTIONS.seq_len))
        for _ in range(20)
    )  # fmt: skip
    windows = fixed_windows(byte_tokenizer(256), windows=WATCHED_WINDOWS, seq_len=WATCHED_TOKENS)
    looking = min(watch(loop.model, windows).seconds for _ in range(2))
    shares = profile(loop)
    return (
        f"| {shape.target_params / 1e6:g}M, {shape.num_hidden_layers} × {shape.hidden_size} | {tokens / step:,.0f} "
        f"| {flops / step / 1e9:.0f} of {max(peaks) / 1e9:.0f} | {flops / step / max(peaks):.2f} "
        f"| {shares['matrices']:.2f} / {shares['attention']:.2f} / {shares['all else']:.2f} "
        f"| {100 * drawing / step:.3f} % | {100 * looking / (EVERY * step):.2f} % |"
    )


def main() -> None:
    rows = []
    for shape in plan_shapes(OPTIONS)[0]:
        rows.append(row(shape))
        print(rows[-1], file=sys.stderr, flush=True)
    text = heading("Training in a sweep")
    text += (
        f"\nLlama, {OPTIONS.batch} windows of {OPTIONS.seq_len} bytes a step, {torch.get_num_threads()} threads, best "
        f"of {ROUNDS}. Target for the widest shape of 1M parameters: {TARGET:g} of the peak. Time is shared among "
        "matrix products, attention, and all else (norms, rotary positions, activations, optimizer). Drawing a batch "
        f"is done between steps. Watching: {WATCHED_WINDOWS} windows of {WATCHED_TOKENS} bytes, all sites, every "
        f"{EVERY} steps.\n\n"
        "| shape | bytes/s | GFLOP/s of peak | share | time in products / attention / else | batch | watching |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    publish(__file__, text + "\n".join(rows))


if __name__ == "__main__":
    main()
