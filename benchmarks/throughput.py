"""How much of a machine's arithmetic a pass uses, and what a second process is worth.

Llama-3.2-1B's shape with random weights; the measured pass, all 17 sites, error bars on, by the micro-batch that it
chooses and by single windows, against the largest rate that matrix products reach on the same device in the same dtype,
looked at before and after each pass. Counted are only operations that no pass can do without: 4 for each block weight
and token (2 forward, 2 backward to the activations; no gradient of weights is taken), and 4 for each weight of the
unembedding. Attention and AGOP sums come on top, uncounted.

.venv/bin/python benchmarks/throughput.py [--device cuda] [--dtypes float32,bfloat16] [--processes] [--save]

`--processes` adds two processes on this machine against one with as many threads, by the wall time of their passes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from transformers import AutoModelForCausalLM, GPT2Config

from benchmarks.checkpoints import LLAMA_1B, save_with_tokenizer, write_random_llama
from benchmarks.reporting import heading, publish
from shape_audit.calibration import Window
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import PassPlan, ProfilePass, parse_sites, protocol_of
from shape_audit.models import LoadOptions, load_model
from shape_audit.shape import describe

REPEATS = 3
PEAK_SECONDS = 1.0
SIZES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}
WINDOWS = {"cpu": 4, "cuda": 64}
TARGETS = {"float32": 0.9, "bfloat16": 0.5}


@dataclass(frozen=True)
class Achieved:
    """One dtype on one device, medians of `REPEATS` passes.

    Attributes:
        rate: FLOP/s of the pass.
        peak: FLOP/s of matrix products.
        share: of a pass's rate in the mean of the peaks just before and after it.
    """

    dtype: str
    rate: float
    peak: float
    share: float
    tokens_per_second: float
    micro_batch: int


def matmul_peak(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of the fastest square matrix product among `SIZES`."""
    best = 0.0
    for size in SIZES[device]:
        a, b = (torch.randn(size, size, dtype=torch.float32, device=device).to(dtype) for _ in range(2))
        a @ b
        synchronize(device)
        times = 0
        started = time.perf_counter()
        while time.perf_counter() - started < PEAK_SECONDS:
            for _ in range(4):
                a @ b
            times += 4
            synchronize(device)
        best = max(best, times * 2 * size**3 / (time.perf_counter() - started))
    return best


def achieved(
    folder: Path, device: str, dtype_name: str, *, seq_len: int, windows: int, micro_batch: int | None = None
) -> Achieved:
    """The pass over the checkpoint in `folder`, on this device in this dtype."""
    checkpoint = read_checkpoint(str(folder))
    shape = describe(checkpoint).shape
    loaded = load_model(checkpoint, LoadOptions(dtype=dtype_name, device=device))
    sites = parse_sites("all", shape.num_hidden_layers)
    protocol = protocol_of("loss-gradient")
    a_pass = ProfilePass(loaded, shape, PassPlan(protocol, sites, seq_len=seq_len, micro_batch=micro_batch))
    generator = torch.Generator().manual_seed(0)

    def drawn(count: int) -> list[Window]:
        ids = torch.randint(0, 256, (count, seq_len + 1), generator=generator)
        return [Window(number, None, tuple(row.tolist())) for number, row in enumerate(ids, len(a_pass.windows))]

    a_pass.extend(drawn(max(4, a_pass.micro_batch)))  # kernels chosen, memory taken, S_ref frozen
    peaks, rates, shares = [matmul_peak(device, loaded.dtype)], [], []
    unembedding = shape.hidden_size * (shape.vocab_size or 0)
    needed = 4 * (shape.ledger.attention + shape.ledger.feed_forward + unembedding) * windows * seq_len
    for _ in range(REPEATS):
        batch = drawn(windows)
        synchronize(device)
        started = time.perf_counter()
        a_pass.extend(batch)
        synchronize(device)
        rates.append(needed / (time.perf_counter() - started))
        peaks.append(matmul_peak(device, loaded.dtype))
        shares.append(rates[-1] / statistics.mean(peaks[-2:]))
    rate = statistics.median(rates)
    return Achieved(
        dtype=dtype_name,
        rate=rate,
        peak=statistics.median(peaks),
        share=statistics.median(shares),
        tokens_per_second=windows * seq_len * rate / needed,
        micro_batch=a_pass.micro_batch,
    )


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def processes_against_threads() -> str:
    """Two processes of one thread each against one with two threads, in pairs of alternating order."""
    import json
    import subprocess

    def pass_seconds(model: str, how: tuple[str, ...], records: Path, processes: int) -> float:
        command = [sys.executable, "-m", "shape_audit", "audit", model, "--device", "cpu", "--no-resume", *how]
        command += ["--num-processes", str(processes), "--records", str(records), "-f", "json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        seconds: dict[str, float] = json.loads(done.stdout)["environment"]["wall_seconds"]
        return seconds["warm_up"] + seconds["pass"]

    rows = []
    with TemporaryDirectory(prefix="throughput-") as folder:
        gpt2 = Path(folder) / "gpt2-shape"
        save_with_tokenizer(AutoModelForCausalLM.from_config(GPT2Config(vocab_size=50257)), gpt2)
        cases = {
            "builtin:bytes-1m, 128 x 256": ("builtin:bytes-1m", ("--windows", "128", "--passage-bytes", "1200")),
            "gpt2's shape (124M), 32 x 256": (str(gpt2), ("--windows", "32")),
        }
        for name, (model, how) in cases.items():
            ratios = []
            for pair in range(2 * REPEATS - 1):
                order = (1, 2) if pair % 2 else (2, 1)
                took = {processes: pass_seconds(model, how, Path(folder), processes) for processes in order}
                ratios.append(took[1] / took[2])
                print(name, took, file=sys.stderr, flush=True)
            low, middle, high = statistics.quantiles(ratios, n=4)
            rows.append(f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f} |")
    return (
        "\n\nSpeed of two processes, one thread each, over one process with two threads (target at least 0.95); median "
        f"and quartiles of {2 * REPEATS - 1} pairs:\n\n| | speed | quartiles |\n| --- | ---: | ---: |\n"
        + "\n".join(rows)
    )


def table(results: list[Achieved]) -> str:
    lines = [
        "| dtype | matmul peak, TFLOP/s | pass, TFLOP/s | share | target | tokens/s | micro-batch |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for result in results:
        lines.append(
            f"| {result.dtype} | {result.peak / 1e12:.3g} | {result.rate / 1e12:.3g} | {result.share:.2f} "
            f"| {TARGETS[result.dtype]} | {result.tokens_per_second:,.0f} | {result.micro_batch} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtypes")
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--processes", action="store_true")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    has_bfloat16 = given.device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    dtypes = given.dtypes.split(",") if given.dtypes else ["float32", *(["bfloat16"] if has_bfloat16 else [])]
    with TemporaryDirectory(prefix="throughput-") as folder:
        write_random_llama(LLAMA_1B, Path(folder))
        how = {"seq_len": given.seq_len, "windows": WINDOWS[given.device]}
        sizes = (None, 1)  # what a pass chooses, and single windows
        results = [
            achieved(Path(folder), given.device, dtype, micro_batch=size, **how) for dtype in dtypes for size in sizes
        ]
    text = heading("Achieved over peak arithmetic, Llama-3.2-1B's shape, all 17 sites")
    text += f"\n{WINDOWS[given.device]} windows of {given.seq_len} tokens on {given.device}, median of {REPEATS}.\n\n"
    text += table(results)
    if not has_bfloat16:
        text += "\n\nbfloat16 is not measured: this CPU has no instructions for it."
    if given.processes:
        text += processes_against_threads()
    publish(__file__, text)


if __name__ == "__main__":
    main()
