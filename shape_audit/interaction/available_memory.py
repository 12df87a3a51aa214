"""How much memory there is for the taking, now."""

from __future__ import annotations

import os
from pathlib import Path

import torch

CGROUP = Path("/sys/fs/cgroup")
"""Where a container's own limit stands (version 2); what the machine has beyond it is not to be had."""


def available_memory(device: torch.device) -> dict[str, int]:
    """Device name -> free bytes: of the CPU, and of every GPU where `device` is one."""
    there = {"cpu": available_ram()}
    if device.type == "mps":
        there["mps"] = there["cpu"]  # one memory for both
    if device.type == "cuda":
        for number in range(torch.cuda.device_count()):
            there[f"cuda:{number}"] = torch.cuda.mem_get_info(number)[0]
    return there


def available_ram(cgroup: Path = CGROUP) -> int:
    """Free bytes of CPU memory, without swapping and within the container's limit."""
    try:
        import psutil  # comes with accelerate

        free = int(psutil.virtual_memory().available)
    except ImportError:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        if limit != "max":
            reclaimable = int(statistics.get("inactive_file", 0))
            free = min(free, max(0, int(limit) - int(used) + reclaimable))
    except (OSError, ValueError):
        pass  # no cgroups here
    return free
