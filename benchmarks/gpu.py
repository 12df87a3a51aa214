"""A GPU beside the CPU of the same machine: do they agree, how fast is a pass, how much memory does it take?

Four parts: the built-in models on both devices, every protocol, in float32 and bfloat16; throughput of a pass over
Llama-3.2-1B's shape by micro-batch (see `throughput.py`); peak memory beside its estimate, and a device too small for
the micro-batch asked for; weights spread over GPU, CPU and disk against all of them on the GPU.

python benchmarks/gpu.py [--save]            (a machine without a GPU is refused)
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

import shape_audit
from benchmarks.checkpoints import LLAMA_1B, write_random_llama
from benchmarks.reporting import heading, publish
from benchmarks.throughput import achieved
from shape_audit.interaction import PROTOCOL_NAMES
from shape_audit.records import AuditRecord

MODELS = ("builtin:bytes-1m", "builtin:books-300k")
WINDOWS = 64
GIGABYTE = 1e9


def say(part: str) -> None:
    """Progress on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {part}", file=sys.stderr, flush=True)


def energies(record: AuditRecord) -> list[tuple[float, float | None]]:
    """(AOFE, AOFE-ratio) of each site."""
    assert record.interaction is not None
    return [(site.aofe_plugin, site.aofe_ratio) for site in record.interaction.sites]


def largest_difference(one: AuditRecord, other: AuditRecord) -> tuple[float, float]:
    """(relative difference of AOFE, difference of the AOFE-ratio), the largest of all sites."""
    pairs = list(zip(energies(one), energies(other), strict=True))
    return (
        max(abs(b[0] / a[0] - 1) for a, b in pairs),
        max(abs(b[1] - a[1]) for a, b in pairs if a[1] is not None and b[1] is not None),
    )


def agreement() -> str:
    rows = []
    for model in MODELS:
        for protocol in PROTOCOL_NAMES:
            say(f"{model} {protocol}")
            of_cpu = shape_audit.audit(model, protocol=protocol, windows=WINDOWS, device="cpu")
            again, half = (
                shape_audit.audit(model, protocol=protocol, windows=WINDOWS, device="cuda", dtype=dtype)
                for dtype in ("float32", "bfloat16")
            )
            exact, rounded = largest_difference(of_cpu, again), largest_difference(of_cpu, half)
            losses = [record.loss.nats_per_token for record in (of_cpu, again) if record.loss]
            rows.append(
                f"| {model} | {protocol} | {exact[0]:.1e} | {exact[1]:.1e} | {abs(losses[1] / losses[0] - 1):.1e} "
                f"| {rounded[0]:.1e} | {rounded[1]:.1e} |"
            )
    return (
        "| model | protocol | AOFE, relative | AOFE-ratio | loss, relative | AOFE, bfloat16 | AOFE-ratio, bfloat16 |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(rows)
    )


def throughput(folder: Path) -> str:
    rows = []
    for dtype in ("float32", "bfloat16"):
        for seq_len, micro_batch in ((256, None), (256, 1), (256, 4), (256, 16), (256, 64), (1024, None), (1024, 16)):
            say(f"{dtype} {seq_len} {micro_batch}")
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            found = achieved(
                folder, "cuda", dtype, seq_len=seq_len, windows=64 if seq_len == 256 else 32, micro_batch=micro_batch
            )
            chosen = f"{found.micro_batch}" if micro_batch else f"{found.micro_batch} (chosen)"
            rows.append(
                f"| {dtype} | {seq_len} | {chosen} | {found.peak / 1e12:.0f} | {found.rate / 1e12:.1f} "
                f"| {found.share:.2f} | {found.tokens_per_second:,.0f} "
                f"| {torch.cuda.max_memory_allocated() / GIGABYTE:.1f} GB |"
            )
    return (
        "| dtype | seq_len | micro-batch | matmul peak, TFLOP/s | pass, TFLOP/s | share | tokens/s | peak memory |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(rows)
    )


def memory(folder: Path) -> str:
    rows = []
    how = {"windows": 16, "seq_len": 256, "device": "cuda", "dtype": "float32"}
    free = torch.cuda.mem_get_info()[1]
    whole = None
    for name, changes, limit in (
        ("as chosen", {}, None),
        ("micro-batch 16, memory for fewer", {"micro_batch": 16}, 11.5e9),
        ("device map: 3 GB GPU, 2 GB CPU, disk", {"device_map": "auto", "max_memory": "cuda:0=3GB,cpu=2GB"}, None),
    ):
        say(name)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.set_per_process_memory_fraction(limit / free if limit else 1.0)
        plan = shape_audit.plan_memory(str(folder), **how, **changes)
        record = shape_audit.audit(str(folder), **how, **changes)
        whole = whole or record
        on_gpu = next(memory for memory in plan.devices if memory.device == "cuda:0")
        wall = record.environment.wall_seconds
        assert wall is not None and wall.warm_up is not None
        rows.append(
            f"| {name} | {record.environment.micro_batch} | {on_gpu.total / GIGABYTE:.1f} GB "
            f"| {torch.cuda.max_memory_allocated() / GIGABYTE:.1f} GB | {wall.warm_up + wall.pass_:.1f} "
            f"| {largest_difference(whole, record)[0]:.1e} |"
        )
    torch.cuda.set_per_process_memory_fraction(1.0)
    return (
        "| | micro-batch at the end | estimated | peak on the GPU | seconds of the pass | AOFE against the first |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(rows)
    )


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py: this torch sees no GPU")
    text = heading("On a GPU") + f"\n{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}\n"
    text += f"\n## GPU against CPU, {WINDOWS} windows, largest difference of all sites\n\n{agreement()}\n"
    with TemporaryDirectory(prefix="gpu-") as folder:
        write_random_llama(LLAMA_1B, Path(folder))
        text += f"\n## Throughput, Llama-3.2-1B's shape, all 17 sites\n\n{throughput(Path(folder))}\n"
        text += f"\n## Memory, Llama-3.2-1B's shape, float32, 16 windows of 256 tokens\n\n{memory(Path(folder))}"
    publish(__file__, text)


if __name__ == "__main__":
    main()
