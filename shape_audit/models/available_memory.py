"""How much memory there is for the taking, now."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

CGROUPS = Path("/sys/fs/cgroup")
"""Where a container's own limit stands; what the machine has beyond it is not to be had."""
OWN_CGROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Machine:
    """Where a pass is to be computed.

    Attributes:
        available: device name -> bytes that are free; nothing is known of devices that are missing.
    """

    device: torch.device
    available: Mapping[str, int]

    @classmethod
    def here(cls, device: torch.device) -> Machine:
        """This machine, as it is now."""
        return cls(device, available_memory(device))

    @classmethod
    def elsewhere(cls, device: torch.device) -> Machine:
        """Another machine; how much is free there is for it to see."""
        return cls(device, {})


def available_memory(device: torch.device) -> dict[str, int]:
    """Device name -> free bytes: of the CPU, and of every GPU where `device` is one."""
    available = {"cpu": available_ram()}
    if device.type == "mps":
        available["mps"] = available["cpu"]  # one memory for both
    if device.type == "cuda":
        for number in range(torch.cuda.device_count()):
            available[f"cuda:{number}"] = torch.cuda.mem_get_info(number)[0]
    return available


def held_ram() -> int:
    """Bytes of CPU memory that this process holds: interpreter, libraries, and what it has read so far."""
    try:
        import psutil  # comes with accelerate

        return int(psutil.Process().memory_info().rss)
    except ImportError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def available_ram(cgroups: Path = CGROUPS, own_cgroups: Path = OWN_CGROUPS) -> int:
    """Free bytes of CPU memory, without swapping and within the container's limit."""
    try:
        import psutil  # comes with accelerate

        free = int(psutil.virtual_memory().available)
    except ImportError:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    lefts = [_left_in(group, *names) for group, names in _control_groups(cgroups, own_cgroups)]
    return min([free, *(left for left in lefts if left is not None)])


def _control_groups(root: Path, own: Path) -> list[tuple[Path, tuple[str, str]]]:
    """Folders that may hold this process's memory limit, each with its files of limit and use.

    Versions 2 and 1 of the kernel's interface. A container sees its own group at the root, whatever `own` calls it.
    """
    second, first = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")
    found = [(root, second), (root / "memory", first)]
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found.append((root / path.lstrip("/"), second))
        elif "memory" in controllers.split(","):
            found.append((root / "memory" / path.lstrip("/"), first))
    return found


def _left_in(group: Path, limit_file: str, used_file: str) -> int | None:
    """Bytes left in a control group, pages of files that can go counted as free; None where it sets no limit."""
    try:
        limit, used = ((group / name).read_text().strip() for name in (limit_file, used_file))
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return None if limit == "max" else max(0, int(limit) - int(used) + int(statistics.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None
