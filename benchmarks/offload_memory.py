"""What `--device-map disk` saves and costs: peak memory and seconds of a pass over a model of Llama-3.2-1B's shape.

Random bfloat16 weights (2.5 GB in shards of 500 MB) with a byte tokenizer, made in a temporary folder; the same 4
windows and all 17 sites, in memory and from the disk, each in a process of its own.

.venv/bin/python benchmarks/offload_memory.py [--seq-len 256] [--dtype bfloat16] [--save]

The pass is float32 unless told otherwise: a CPU without bfloat16 instructions multiplies it 200 times slower backward
(0.3 instead of 60 GFLOP/s on the machine of the first result), and a pass would take an hour.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.reporting import ROOT, heading, publish

LLAMA_1B = {
    "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 8192,
    "rope_theta": 500000.0, "tie_word_embeddings": True,
    "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
WINDOWS = 4
TARGET_BYTES, TARGET_RATIO = 2.9e9, 2.0


def make(folder: Path) -> None:
    """The checkpoint, as the Hub would have it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from shape_audit.hub.builtin_models import builtin_folder

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    LlamaForCausalLM(LlamaConfig(**LLAMA_1B)).save_pretrained(folder, max_shard_size="500MB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(builtin_folder("bytes-1m") / file, folder / file)


class OwnMemory(Thread):
    """Largest resident memory of this process without pages of mapped files, looked at 50 times a second."""

    peak = 0

    def run(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            self.peak = max(self.peak, 1024 * int(status.partition("RssAnon:")[2].split()[0]))
            time.sleep(0.02)


def measure(folder: Path, seq_len: int, dtype: str, device_map: str | None) -> dict[str, Any]:
    """One audit in this process, and what it took."""
    import accelerate.utils.offload as streaming

    import shape_audit
    from shape_audit.auditing import AuditOptions

    own = OwnMemory(daemon=True)
    own.start()
    brought = 0
    fetch = streaming.OffloadedWeightsLoader.__getitem__

    def counting(loader: Any, key: str) -> Any:
        nonlocal brought
        tensor = fetch(loader, key)
        brought += tensor.numel() * tensor.element_size()
        return tensor

    streaming.OffloadedWeightsLoader.__getitem__ = counting
    how = AuditOptions(windows=WINDOWS, seq_len=seq_len, device="cpu", dtype=dtype, device_map=device_map)
    plan = shape_audit.plan_memory(str(folder), how)
    started = time.perf_counter()
    record = shape_audit.audit(str(folder), how)
    seconds = time.perf_counter() - started
    assert record.interaction is not None and record.environment.wall_seconds is not None
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "own": own.peak,
        "estimate": plan.devices[0].total,
        "seconds": seconds,
        "pass": record.environment.wall_seconds.pass_,
        "micro_batch": record.environment.micro_batch,
        "brought": brought,
        "from_disk": int(io["read_bytes"]),
        "numbers": [number for site in record.interaction.sites for number in (site.aofe_plugin, site.trace)],
        "dtype": record.interaction.dtype,
    }


def in_a_child(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    print(arguments, {name: value for name, value in found.items() if name != "numbers"}, file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--make", type=Path)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--device-map")
    given = parser.parse_args()
    if given.make:
        return make(given.make)
    if given.measure:
        return print(json.dumps(measure(given.measure, given.seq_len, given.dtype, given.device_map)))
    with TemporaryDirectory(prefix="offload-memory-") as folder:
        in_a_child("--make", folder)
        how = ("--measure", folder, "--seq-len", str(given.seq_len), "--dtype", given.dtype)
        runs = {"in memory": in_a_child(*how), "--device-map disk": in_a_child(*how, "--device-map", "disk")}
    publish(__file__, report(runs, given.seq_len))


def report(runs: dict[str, dict[str, Any]], seq_len: int) -> str:
    one, other = runs.values()
    pairs = zip(one["numbers"], other["numbers"], strict=True)
    difference = max(abs(a - b) / abs(a) for a, b in pairs)
    text = heading("A pass from the disk against one in memory, Llama-3.2-1B's shape")
    text += f"""
{WINDOWS} windows of {seq_len} tokens, {one["dtype"]}, all 17 sites; 2.47 GB of random bfloat16 weights, of which the
blocks' 1.95 GB stay on the disk. Peak: the process's largest resident memory. Own: without pages of weight files, which
the system may take back (transformers looks at every weight once while it loads). Weights brought in: handed to
blocks by Accelerate, from the page cache or the disk. Device read: what the kernel fetched for the process.

| | micro-batch | peak | own | estimated | seconds, all | seconds, pass | weights brought in | device read |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
    for name, run in runs.items():
        sizes = " | ".join(f"{run[size] / 1e9:.2f} GB" for size in ("peak", "own", "estimate"))
        read = " | ".join(f"{run[size] / 1e9:.1f} GB" for size in ("brought", "from_disk"))
        text += f"| {name} | {run['micro_batch']} | {sizes} | {run['seconds']:.1f} | {run['pass']:.1f} | {read} |\n"
    ratio = other["pass"] / one["pass"]
    text += f"""
Peak from the disk {other["peak"] / 1e9:.2f} GB, own {other["own"] / 1e9:.2f} GB (target at most \
{TARGET_BYTES / 1e9:.1f}); its pass takes {ratio:.2f} times the one in memory (target at most {TARGET_RATIO:.0f}).
Largest relative difference of a plug-in energy or trace: {difference:.1e}."""
    return text


if __name__ == "__main__":
    main()
