"""Whole processes, timed from outside, in pairs: what a command takes beside another one on the same machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Took:
    """Seconds of one process.

    Attributes:
        processor: user and system time of all its threads, and of the processes that it has waited for.
        clock: by the clock.
    """

    processor: float
    clock: float


def run(*arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> Took:
    """Run this interpreter on its own, to its end.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on stderr.
    """
    command = [sys.executable, *arguments]
    variables = {**os.environ, **(environment or {})}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has been compiled: users never wait for that
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    clock = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.stderr.write(said.decode(errors="replace"))
        raise subprocess.CalledProcessError(process.returncode, command)
    return Took(used.ru_utime + used.ru_stime, clock)


def pairs_wanted(default: int) -> int:
    """`--pairs N` of the command line."""
    return int(sys.argv[sys.argv.index("--pairs") + 1]) if "--pairs" in sys.argv else default


def ratios(ours: Sequence[Took], theirs: Sequence[Took]) -> str:
    """Median and quartiles of the ratios of the pairs, in processor time and by the clock, as cells of a table."""
    cells = []
    for seconds in (lambda took: took.processor, lambda took: took.clock):
        found = [seconds(a) / seconds(b) for a, b in zip(ours, theirs, strict=True)]
        low, middle, high = statistics.quantiles(found, n=4)
        cells.append(f"{middle:.3f} ({low:.3f} to {high:.3f})")
    return " | ".join(cells)


def compared(name: str, ours: Sequence[Took], other: str, theirs: Sequence[Took]) -> str:
    """A table of two commands and their ratio."""
    rows = [
        f"| {label} | {statistics.median(took.processor for took in took_list):.2f} | "
        f"{statistics.median(took.clock for took in took_list):.2f} |"
        for label, took_list in ((name, ours), (other, theirs))
    ]
    head = "| | processor seconds | seconds by the clock |\n| --- | ---: | ---: |\n"
    return head + "\n".join(rows) + f"\n| ratio | {ratios(ours, theirs)} |"
