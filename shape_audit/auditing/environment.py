"""What may differ between two runs of the same audit: versions, machine, time."""

from __future__ import annotations

import platform
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from shape_audit.records import Environment, WallSeconds

PACKAGES = ("huggingface_hub", "numpy", "torch", "transformers", "accelerate", "datasets", "safetensors",
            "tokenizers")  # fmt: skip


def environment(
    *,
    device: str | None = None,
    world_size: int | None = None,
    threads: int | None = None,
    micro_batch: int | None = None,
    wall_seconds: WallSeconds | None = None,
    tokens_per_second: float | None = None,
) -> Environment:
    """The environment as it is now; the arguments are null for a shape-only audit, whose numbers need no library."""
    from shape_audit import __version__

    versions = {"python": platform.python_version(), "shape-audit": __version__}
    return Environment(
        versions=versions if device is None else versions | installed_versions(),
        device=device,
        world_size=world_size,
        threads=threads,
        micro_batch=micro_batch,
        wall_seconds=wall_seconds,
        tokens_per_second=tokens_per_second,
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
    """Versions of the packages that measured numbers may depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
