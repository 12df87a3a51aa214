"""The Ray that a run uses: one that is there, or one of its own that ends with it."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from shape_audit.errors import IncompleteError, MissingExtraError, first_line

STORE_BYTES = 2**30
"""Of a Ray of our own: it carries records and partial sums, no weights."""
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "300"}
STARTS = 3
"""Of a Ray of our own: a node gives up where its agents take a quarter of a minute, as on a busy machine they may."""


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Be connected to Ray meanwhile. One that the process is connected to already is used as it is.

    Args:
        address: as `ray.init` takes it; None for a Ray of our own.

    Raises:
        MissingExtraError: the extra `cluster` is not installed.
        IncompleteError: there is no Ray at the address.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("--engine ray needs ray: pip install 'shape-audit[cluster]'")
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)  # read when it is imported
    import ray

    if ray.is_initialized():
        yield
        return
    with _signals_kept(), warnings.catch_warnings(action="ignore"):
        _connect(address)
    try:
        yield
    finally:
        with _signals_kept():
            ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    quiet = {"log_to_driver": False, "logging_level": "error"}
    own = {"address": "local", "include_dashboard": False, "object_store_memory": STORE_BYTES}
    for attempts_left in reversed(range(1 if address else STARTS)):
        try:
            ray.init(**({"address": address} if address else own), **quiet)
            return
        except Exception as error:  # of a node that does not come up Ray raises just that
            where = f"--ray-address {address}: no Ray cluster answers there" if address else "Ray could not start here"
            if not attempts_left:
                raise IncompleteError(f"{where} ({first_line(error)})") from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; whoever listens to it goes on to do so."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main and before is not None:
            signal.signal(signal.SIGTERM, before)
