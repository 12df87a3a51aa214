"""What may differ between two runs of the same audit: versions, machine, time."""

from __future__ import annotations

import platform
import resource
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shape_audit.records import Environment

PACKAGES = ("shape-audit", "huggingface_hub", "numpy", "torch", "transformers", "accelerate", "datasets", "safetensors",
            "tokenizers")  # fmt: skip


def environment() -> Environment:
    """The environment as it is now; what only a measurement has is null."""
    return Environment(
        versions={"python": platform.python_version(), **installed_versions()},
        device=None,
        world_size=None,
        threads=None,
        micro_batch=None,
        wall_seconds=None,
        tokens_per_second=None,
        peak_memory_bytes=peak_memory_bytes(),
        date=datetime.now(UTC).isoformat(timespec="milliseconds"),  # of two audits of a model the later one counts,
    )


def peak_memory_bytes() -> int:
    """Largest resident memory this process has had.

    On Linux not by getrusage, whose maximum is inherited from whoever started the process.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def installed_versions() -> dict[str, str]:
    """Versions of the packages that numbers may depend on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
