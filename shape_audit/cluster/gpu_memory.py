"""How much memory the GPUs of a cluster have: Ray knows how many there are, their driver knows the rest."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

MOST_SECONDS = 60.0
"""For all nodes to answer; none needs a GPU for that, which may all be taken."""
QUESTION = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")


def memory_of_gpus(nodes: Sequence[str]) -> int | None:
    """Bytes of the smallest GPU of these nodes; None where none of them has one that its driver knows.

    Args:
        nodes: ids of those that have GPUs.
    """
    ask = ray.remote(num_cpus=0)(_memory_here)
    asked = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote() for node in nodes
    ]
    if not asked:
        return None
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=MOST_SECONDS)
    return min((size for size in ray.get(answered) if size), default=None)


def _memory_here() -> int | None:
    """Bytes of the smallest GPU of this machine."""
    try:
        said = subprocess.run(QUESTION, capture_output=True, text=True, check=True, timeout=MOST_SECONDS).stdout
        return min(int(line) for line in said.split()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
