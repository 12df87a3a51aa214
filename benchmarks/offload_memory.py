"""What `--device-map disk` saves and costs: peak memory and seconds of a pass over models of Llama's shapes.

Random bfloat16 weights in shards of 500 MB with a byte tokenizer, made in a temporary folder. Llama-3.2-1B's shape
(2.5 GB): the same 4 windows and all 17 sites, in memory and from the disk. With `--large` Llama-3.1-8B's (16 GB), from
the disk only, `--sites embedding` and all 33. First GPT-2's shape (124M), in memory. Each run is a process of its own;
those from the disk run in a memory control group (Linux, as root) whose limit is the target, so that one that needs
more is killed. Pages of weight files that it brings in count there too, but go when room is needed; those that were
cached before do not count. Beside each peak stands what the plan of memory said before.

.venv/bin/python benchmarks/offload_memory.py [--seq-len 256] [--dtype bfloat16] [--large] [--save]

The pass is float32 unless told otherwise: a CPU without bfloat16 instructions takes far longer over a product in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.checkpoints import LLAMA_1B, LLAMA_8B, write_random_gpt2, write_random_llama
from benchmarks.reporting import ROOT, heading, publish

WINDOWS = 4
TARGET_BYTES, TARGET_RATIO = 2.9e9, 2.0
TARGET_BYTES_LARGE = 6e9
GPT2_SEQ_LENS = (256, 1024)
CGROUPS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))
"""Where a control group is made, and the file with its limit: version 1, version 2."""


class MemoryLimit:
    """A memory control group for child processes; one of no limit where none can be made."""

    def __init__(self, limit: float) -> None:
        self.group: Path | None = None
        for root, file in CGROUPS:
            group = Path(root) / f"shape-audit-{os.getpid()}"
            try:
                group.mkdir()
                (group / file).write_text(str(int(limit)))
                self.group = group
                return
            except OSError:
                if group.exists():
                    group.rmdir()

    def enter(self) -> None:
        """Put the calling process in."""
        if self.group is not None:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self) -> None:
        if self.group is not None:
            self.group.rmdir()


class OwnMemory(Thread):
    """Largest resident memory of this process without pages of mapped files, looked at 50 times a second."""

    peak = 0

    def run(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            self.peak = max(self.peak, 1024 * int(status.partition("RssAnon:")[2].split()[0]))
            time.sleep(0.02)


def measure(folder: Path, seq_len: int, dtype: str, device_map: str | None, sites: str) -> dict[str, Any]:
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
    how = AuditOptions.of(
        windows=WINDOWS, seq_len=seq_len, device="cpu", dtype=dtype, device_map=device_map, sites=sites
    )
    plan = shape_audit.plan_memory(str(folder), how)
    started = time.perf_counter()
    record = shape_audit.audit(str(folder), how)
    seconds = time.perf_counter() - started
    wall = record.environment.wall_seconds
    assert record.interaction is not None and wall is not None and wall.warm_up is not None
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "own": own.peak,
        "estimate": plan.devices[0].total,
        "seconds": seconds,
        "seq_len": seq_len,
        "pass": wall.warm_up + wall.pass_,
        "micro_batch": record.environment.micro_batch,
        "brought": brought,
        "from_disk": int(io["read_bytes"]),
        "numbers": [number for site in record.interaction.sites for number in (site.aofe_plugin, site.trace)],
        "dtype": record.interaction.dtype,
    }


def in_a_child(*arguments: str, limit: float | None = None) -> dict[str, Any]:
    """One measurement in a process of its own, killed where it takes more memory than `limit`."""
    command = [sys.executable, __file__, *arguments]
    group = MemoryLimit(limit) if limit else None
    started = group.enter if group else None
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=started)
    finally:
        if group:
            group.remove()
    if done.returncode:
        return {"failed": done.returncode}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["limit"] = limit if group and group.group else None
    print(arguments, {name: value for name, value in found.items() if name != "numbers"}, file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--gpt2", action="store_true", help="Nothing but GPT-2's shape.")
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--sites", default="all")
    parser.add_argument("--device-map")
    given = parser.parse_args()
    if given.measure:
        return print(json.dumps(measure(given.measure, given.seq_len, given.dtype, given.device_map, given.sites)))
    how = ("--seq-len", str(given.seq_len), "--dtype", given.dtype)
    runs: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory(prefix="offload-memory-") as folder:
        write_random_gpt2(Path(folder))
        for seq_len in GPT2_SEQ_LENS:
            runs[f"GPT-2, {seq_len} tokens, in memory"] = in_a_child("--measure", folder, "--seq-len", str(seq_len))
    if given.gpt2:
        return print("\n".join(rows(runs)))
    with TemporaryDirectory(prefix="offload-memory-") as folder:
        write_random_llama(LLAMA_1B, Path(folder))
        small = ("--measure", folder, *how)
        disk = (*small, "--device-map", "disk")
        runs |= {
            "in memory": in_a_child(*small),
            "from the disk": in_a_child(*disk),
            "from the disk, limited": in_a_child(*disk, limit=TARGET_BYTES),
        }
    if given.large:
        with TemporaryDirectory(prefix="offload-memory-") as folder:
            write_random_llama(LLAMA_8B, Path(folder))
            large = ("--measure", folder, *how, "--device-map", "disk")
            sums = 33 * 2 * 4 * 4096**2
            runs["8B from the disk, embedding, limited"] = in_a_child(
                *large, "--sites", "embedding", limit=TARGET_BYTES_LARGE
            )
            runs["8B from the disk, all sites, limited"] = in_a_child(*large, limit=TARGET_BYTES_LARGE + sums)
    publish(__file__, report(runs, given.seq_len))


def rows(runs: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A row of the table for each run."""
    for name, run in runs.items():
        if "failed" in run:
            yield f"| {name} | did not end: {run['failed']} |"
            continue
        limit = f"{run['limit'] / 1e9:.1f} GB" if run["limit"] else ""
        sizes = " | ".join(f"{run[size] / 1e9:.2f} GB" for size in ("peak", "own", "estimate"))
        read = " | ".join(f"{run[size] / 1e9:.1f} GB" for size in ("brought", "from_disk"))
        speed = WINDOWS * run["seq_len"] / run["pass"]
        yield (
            f"| {name} | {limit} | {run['micro_batch']} | {sizes} | {run['estimate'] / run['peak']:.2f} "
            f"| {run['seconds']:.1f} | {run['pass']:.1f} | {speed:.1f} | {read} |"
        )


def report(runs: dict[str, dict[str, Any]], seq_len: int) -> str:
    one, other = runs["in memory"], runs["from the disk"]
    pairs = zip(one["numbers"], other["numbers"], strict=True)
    difference = max(abs(a - b) / abs(a) for a, b in pairs)
    text = heading("A pass from the disk against one in memory, Llama's shapes")
    text += f"""
{WINDOWS} windows of {seq_len} tokens, {one["dtype"]}, all sites unless said. 1B: 2.47 GB of random bfloat16 weights, of
which the blocks' 1.95 GB stay on the disk; 8B: 16.1 GB and 14.0 GB. Peak: the process's largest resident memory. Own:
without pages of weight files, which the system may take back (transformers looks at every weight once while it loads).
Limit: of the control group the process ran in, which counts all but pages that were cached before. Weights brought in:
handed to blocks by Accelerate, from the page cache or the disk. Device read: what the kernel fetched for the process.

| | limit | micro-batch | peak | own | planned | / peak | seconds, all | pass | tokens/s | brought in | device read |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
    text += "\n".join(rows(runs)) + "\n"
    ratio = other["pass"] / one["pass"]
    text += f"""
1B from the disk: peak {other["peak"] / 1e9:.2f} GB where nothing limits it, own {other["own"] / 1e9:.2f} GB (target \
at most {TARGET_BYTES / 1e9:.1f}); its pass takes {ratio:.2f} times the one in memory (target at most \
{TARGET_RATIO:.0f}). Largest relative difference of a plug-in energy or trace: {difference:.1e}."""
    return text


if __name__ == "__main__":
    main()
