"""Whether a worker computes with the versions that the driver has: else its numbers are of another program."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

PACKAGES = ("torch", "transformers")

Versions = Mapping[str, str | None]


@cache
def versions_here() -> Versions:
    """Of shape-audit and what it computes with; None for what is not installed.

    Without what a build adds after a plus sign: the driver's torch may be for CPUs, a worker's for CUDA.
    """
    from importlib.metadata import PackageNotFoundError, version

    from shape_audit import __version__

    found: dict[str, str | None] = {"shape-audit": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package).partition("+")[0]
        except PackageNotFoundError:
            found[package] = None
    return found


def difference(worker: Versions, driver: Versions) -> str | None:
    """In words, how a worker differs from the driver; None where it does not."""
    differing = [name for name, version in driver.items() if worker.get(name) != version]
    there = ", ".join(f"{name} {worker.get(name) or 'is missing'}" for name in differing)
    here = ", ".join(f"{name} {driver[name] or 'is missing'}" for name in differing)
    return f"{there}; the driver has {here}" if differing else None
