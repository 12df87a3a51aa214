"""Kernels are code: while a model of others is built or run, transformers gets none from the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_hub_kernels() -> Iterator[None]:
    """While open, transformers fetches and runs no kernel of the Hub: what has an equal in torch takes that.

    Some are asked for by a config, some by a quantisation or a class of transformers, at the first forward pass. All
    come through the one function that is replaced here.
    """
    from transformers.integrations import hub_kernels

    def refused(kernel_name: str, *args: Any, **settings: Any) -> Any:
        raise ImportError(f"{kernel_name}: kernels of the Hub are code, which is not run")

    before, enabled = hub_kernels.get_kernel, hub_kernels._kernels_enabled
    hub_kernels.get_kernel, hub_kernels._kernels_enabled = refused, False
    try:
        yield
    finally:
        hub_kernels.get_kernel, hub_kernels._kernels_enabled = before, enabled
