"""The packages that lm-eval writes into its results, read here: it would start pip to list them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "lm_eval", "torch", "transformers", "tokenizers", "safetensors", "accelerate", "datasets", "numpy", "triton",
    "shape-audit",
)  # fmt: skip
"""Those that a score may depend on."""


@contextmanager
def packages_listed_here() -> Iterator[None]:
    """While open, torch's description of the environment, which lm-eval asks for, starts no pip."""
    from torch.utils import collect_env

    def packages(*_: Any, **__: Any) -> tuple[str, str]:
        return "package", "\n".join(f"{name}=={found}" for name in PACKAGES if (found := _version(name)))

    before = collect_env.get_pip_packages
    collect_env.get_pip_packages = packages
    try:
        yield
    finally:
        collect_env.get_pip_packages = before


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
