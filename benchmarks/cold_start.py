"""What a user waits for before the first line: shape-only on a local folder against importing torch.

Whole processes, back to back in alternating order; the ratio of each pair is taken, its median is the result.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.reporting import heading, publish
from shape_audit.hub.builtin_models import builtin_folder

PAIRS = 15


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    audit = ("-m", "shape_audit", "audit", str(builtin_folder("bytes-1m")), "--shape-only")
    torch = ("-c", "import torch")
    took: dict[tuple[str, ...], list[float]] = {audit: [], torch: []}
    for run in range(PAIRS + 1):
        for command in (audit, torch) if run % 2 else (torch, audit):
            took[command].append(seconds(*command))
    ratios = [a / b for a, b in zip(took[audit][1:], took[torch][1:], strict=True)]  # the first pair warms the disk
    low, middle, high = statistics.quantiles(ratios, n=4)
    text = heading("Cold start: `shape-audit audit FOLDER --shape-only` / `python -c 'import torch'`")
    text += (
        f"\nMedian and quartiles of {PAIRS} pairs. Target: under a third.\n\n"
        "| | seconds |\n| --- | ---: |\n"
        f"| shape-only | {statistics.median(took[audit]):.2f} |\n"
        f"| import torch | {statistics.median(took[torch]):.2f} |\n"
        f"| ratio | {middle:.3f} ({low:.3f} to {high:.3f}) |"
    )
    publish(__file__, text)


if __name__ == "__main__":
    main()
