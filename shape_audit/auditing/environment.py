"""What may differ between two runs of the same audit: versions, machine, time."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shape_audit.records import Environment

if TYPE_CHECKING:
    from shape_audit.auditing.phases import Phases
    from shape_audit.interaction import Profile, ProfilePass
    from shape_audit.models import LoadedModel

PACKAGES = ("huggingface_hub", "numpy", "torch", "transformers", "accelerate", "datasets", "safetensors",
            "tokenizers")  # fmt: skip


def environment() -> Environment:
    """The environment as it is now, without what only a measurement has: a shape needs no library."""
    from shape_audit import __version__

    return Environment(
        versions={"python": platform.python_version(), "shape-audit": __version__},
        device=None,
        world_size=None,
        threads=None,
        micro_batch=None,
        wall_seconds=None,
        tokens_per_second=None,
        peak_memory_bytes=peak_memory_bytes(),
        date=datetime.now(UTC).isoformat(timespec="milliseconds"),  # of two audits of a model the later one counts,
    )


def measured_environment(loaded: LoadedModel, profile: Profile, a_pass: ProfilePass, phases: Phases) -> Environment:
    """The same with what a measurement has."""
    import torch

    now = environment()
    tokens = sum(len(window.input_ids) - 1 for window in a_pass.windows)
    return now.model_copy(
        update={
            "versions": {**now.versions, **installed_versions()},
            "device": loaded.device_name,
            "world_size": a_pass.processes.size,
            "threads": torch.get_num_threads(),
            "micro_batch": profile.micro_batch,
            "wall_seconds": phases.wall_seconds(),
            "tokens_per_second": tokens / profile.pass_seconds,
        }
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


@cache
def installed_versions() -> Mapping[str, str]:
    """Versions of the packages that measured numbers may depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
