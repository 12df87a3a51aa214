"""What a leaderboard costs: 10,000 records to table and page, and the shipped manifest from shipped facts.

The records are audits of one built-in model under 10,000 names, half of them measured; each has its own numbers.

.venv/bin/python benchmarks/leaderboard.py [--records 10000] [--save]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import shape_audit
from benchmarks.reporting import heading, publish
from shape_audit.records import AuditRecord, sealed, write_record

REPEATS = 3
BUILD = """
import resource, sys, time
started = time.perf_counter()
from pathlib import Path
from shape_audit.leaderboard import build_leaderboard, read_board, read_manifest, render
folder = Path(sys.argv[1])
manifest = read_manifest(Path(sys.argv[2]) if sys.argv[2] else None)
board = build_leaderboard(manifest, folder)
built = time.perf_counter() - started
render(board, folder)
print(built, time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
      int("torch" in sys.modules), len(board.rows))
"""
TORCH = "import time; started = time.perf_counter(); import torch; print(time.perf_counter() - started)"


def write_records(folder: Path, manifest: Path, count: int) -> None:
    """Records of models that are in no table, and a manifest that names them."""
    shape = shape_audit.audit("builtin:bytes-1m", shape_only=True)
    measured = shape_audit.audit("builtin:bytes-1m", windows=8, seq_len=32)
    for number in range(count):
        write_record(renamed(measured if number % 2 else shape, number), folder / "records")
    names = ", ".join(f'"org/model-{number}"' for number in range(count))
    manifest.write_text(f"[[models]]\nnames = [{names}]\n[measure]\nwindows = 8\nseq_len = 32\n")


def renamed(record: AuditRecord, number: int) -> AuditRecord:
    """The same under another name, with numbers of its own."""
    model = record.model.model_copy(
        update={"repo_id": f"org/model-{number}", "source": "hub", "revision": f"{number:040x}"}
    )
    shape = record.shape.model_copy(update={"r_dw": record.shape.r_dw * (1 + number % 97 / 50)})
    return sealed(record.model_copy(update={"model": model, "shape": shape}))


def timed(*arguments: str) -> list[float]:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True,
                          env={"HF_HUB_OFFLINE": "1", "PATH": ""})  # fmt: skip
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--save", action="store_true")
    count = parser.parse_args().records
    with TemporaryDirectory() as name:
        folder, manifest = Path(name) / "board", Path(name) / "m.toml"
        started = time.perf_counter()
        write_records(folder, manifest, count)
        writing = time.perf_counter() - started
        many = [timed("-c", BUILD, str(folder), str(manifest)) for _ in range(REPEATS)]
        shipped = [timed("-c", BUILD, f"{name}/shipped-{number}", "") for number in range(REPEATS)]
        torch = [timed("-c", TORCH)[0] for _ in range(REPEATS)]
    assert all(run[3] == 0 for run in (*many, *shipped)), "torch was imported"
    beside = f"`import torch` in the same run: {statistics.median(torch):.2f} s"
    text = heading("The leaderboard") + f"""
Medians of {REPEATS} runs, each in a process of its own, with its imports; {beside}.
Targets: 10,000 records to the page in 8 s and 1 GB; the shipped manifest built in 5 s.

| what | built after | and rendered after | peak memory |
| --- | --- | --- | --- |
| {count:,} records, half of them measured at 6 sites ({writing:.0f} s to write) | {row(many)} |
| the shipped manifest ({shipped[0][4]:.0f} models), shipped facts only, with evidence | {row(shipped)} |
"""  # fmt: skip
    publish(__file__, text)


def row(runs: list[list[float]]) -> str:
    built, rendered, memory = (statistics.median(run[i] for run in runs) for i in range(3))
    return f"{built:.1f} s | {rendered:.1f} s | {memory:.2f} GB"


if __name__ == "__main__":
    main()
