"""What Ray costs: real audits on a cluster of one CPU beside the same ones in this process, and a crowd of stand-ins.

The stand-ins sleep for lengths as audits have (log-normal, of a median of a minute), `--scale` of it, on GPUs that are
only said to be there: how much of them is used, what the driver holds, how long it takes until all are at work.

.venv/bin/python benchmarks/cluster.py [--quick] [--models 8] [--seconds 10] [--rounds 3] [--tasks 10000] [--gpus 64]
                                       [--scale 0.05] [--save]
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

import shape_audit
from benchmarks.local_ray import QUIET, started
from benchmarks.reporting import heading, publish
from shape_audit.auditing import AuditOptions
from shape_audit.cluster import (
    ClusterOptions,
    ClusterRoom,
    Desk,
    Placed,
    RayEngine,
    Resources,
    SilentCluster,
    Standing,
    Task,
    audits,
    ray_session,
)
from shape_audit.records import AuditRecord

MODEL, SEQ_LEN = "builtin:bytes-1m", 128
MEDIAN_SECONDS, SPREAD = 60.0, 0.8
"""Of an audit: half take longer, one in six more than 2.2 times as long."""
OPTIONS = ClusterOptions.of(engine="ray", task_cpus=1)


@dataclass(frozen=True)
class Sleep(Task):
    """A stand-in for an audit: it holds a GPU and sleeps. Gives when it began and ended."""

    name: str
    seconds: float

    def placed(self, room: ClusterRoom) -> Placed:
        return Placed(self, Resources(gpus=1, cpus=0.01))

    def run(self, desk: Desk) -> tuple[float, float]:
        began = time.time()
        time.sleep(self.seconds)
        return began, time.time()


class Watching(SilentCluster):
    """Notes the driver's memory, and when so many were at work."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.began, self.all_at_work, self.most_bytes = wanted, time.time(), math.nan, 0

    def standing(self, now: Standing) -> None:
        self.most_bytes = max(self.most_bytes, psutil.Process().memory_info().rss)
        if math.isnan(self.all_at_work) and now.running + now.done >= self.wanted:
            self.all_at_work = time.time() - self.began


@contextmanager
def cluster(**node: Any) -> Iterator[str]:
    """A cluster of one node on this machine; its address."""
    os.environ |= QUIET
    from ray.cluster_utils import Cluster

    made = Cluster()
    started(made, **node)
    try:
        yield made.address
    finally:
        made.shutdown()


def audits_in(seconds: float) -> AuditOptions:
    """Audits that take about so long here, by how long a short one does once all is imported."""
    few = AuditOptions.of(windows=16, seq_len=SEQ_LEN, micro_batch=4)
    shape_audit.audit(MODEL, few)
    began = time.perf_counter()
    shape_audit.audit(MODEL, few)
    windows = int(16 * seconds / (time.perf_counter() - began))
    return few.but(windows=max(16, min(windows, 1000)))


def serially(names: list[str], options: AuditOptions) -> float:
    """Seconds an audit."""
    began = time.perf_counter()
    for name in names:
        shape_audit.audit(name, options)
    return (time.perf_counter() - began) / len(names)


def overhead(models: int, seconds: float, rounds: int) -> str:
    """Audits one after the other, here and on a cluster of one CPU, of links to a model: twice the same is one task.

    Processes differ at the same work: so each round has a cluster of its own, and what audits on Ray take beside their
    own seconds, by their records, stands apart.
    """
    options = audits_in(seconds)
    folder = Path(shape_audit.__file__).parent / "data" / "builtin" / MODEL.removeprefix("builtin:")
    text = (
        f"{models} audits of {options.text.windows} windows, one after the other; target at most 5 % for 10 s. "
        "One more before them, whose worker starts and imports torch, is the last column.\n\n"
        "| cluster | in this process, before and after, s | on Ray, s | | outside of the audits, s | | first, s |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    for number in range(1, rounds + 1):
        with TemporaryDirectory() as place, cluster(num_cpus=1) as address, ray_session(address):
            names = [str(Path(place) / f"model-{model}") for model in range(models + 1)]
            for name in names:
                Path(name).symlink_to(folder)
            before = serially(names[1:], options)
            began = time.perf_counter()
            records, done = [], []
            for _, record in audits(names, options, OPTIONS):
                assert isinstance(record, AuditRecord), record
                records.append(record)
                done.append(time.perf_counter())
            after = serially(names[1:], options)
        alone, on_ray = (before + after) / 2, (done[-1] - done[0]) / models
        outside = on_ray - sum(map(seconds_of, records[1:])) / models
        text += (
            f"| {number} | {before:.2f}, {after:.2f} | {on_ray:.2f} | {100 * (on_ray / alone - 1):+.1f} % "
            f"| {outside:.3f} | {100 * outside / on_ray:.1f} % | {done[0] - began:.1f} |\n"
        )
    return text


def seconds_of(record: AuditRecord) -> float:
    """What an audit took, from its call until its record was sealed."""
    return sum(filter(None, record.environment.wall_seconds.model_dump().values()))


def crowd(tasks: int, gpus: int, scale: float) -> str:
    """Stand-ins over GPUs that are only said to be there."""
    drawn = random.Random(0)
    lengths = [scale * drawn.lognormvariate(math.log(MEDIAN_SECONDS), SPREAD) for _ in range(tasks)]
    watching = Watching(min(gpus, tasks))
    with cluster(num_cpus=gpus, num_gpus=gpus) as address, ray_session(address):
        given = (Sleep(f"task {number}", seconds) for number, seconds in enumerate(lengths))
        spans = [one.answer.value for one in RayEngine(OPTIONS).run(given, tasks, watching)]
    begins, last = sorted(began for began, _ in spans), max(ended for _, ended in spans)
    # from when all were at work to when the last one began: how it ends is not the scheduler's doing
    first, full, tail = begins[0], begins[min(gpus, tasks) - 1], begins[-1]
    used = sum(max(0.0, min(ended, tail) - max(began, full)) for began, ended in spans)
    return (
        f"{tasks:,} stand-ins of {sum(lengths) / tasks:.2f} s (median {MEDIAN_SECONDS * scale:.2f} s, {scale:g} of an "
        f"audit's) over {gpus} GPUs that are only said to be there, {os.cpu_count()} cores:\n\n"
        "| | | target |\n| --- | ---: | ---: |\n"
        f"| GPUs in use while there were tasks left | {used / (gpus * (tail - full)):.3f} | .95 |\n"
        f"| GPUs in use from the first task's start to the last one's end | "
        f"{sum(ended - began for began, ended in spans) / (gpus * (last - first)):.3f} | |\n"
        f"| until all GPUs were in use, s | {watching.all_at_work:.1f} | 60 |\n"
        f"| most memory of the driver, MB | {watching.most_bytes / 1e6:.0f} | 1,000 |\n"
    )


def main(arguments: list[str]) -> str:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args(arguments)
    if given.quick:
        given.models, given.seconds, given.rounds = 1, 0.1, 1
        given.tasks, given.gpus, given.scale = 20, 2, 0.001
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is here: a task of one CPU has one thread on Ray
    return "\n".join([
        heading("Ray beside a serial build"), overhead(given.models, given.seconds, given.rounds),
        crowd(given.tasks, given.gpus, given.scale) if given.tasks else "",
    ])  # fmt: skip


if __name__ == "__main__":
    publish(__file__, main(sys.argv[1:]))
