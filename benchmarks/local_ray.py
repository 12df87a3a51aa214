"""Nodes of a Ray cluster on this machine, for benchmarks and tests, also where it is busy."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from typing import Any

NODE: dict[str, Any] = {"object_store_memory": 80 * 2**20, "include_dashboard": False, "include_log_monitor": False}
STARTS = 5
"""Ray gives up a node that does not answer for half a minute; a machine that is busy with other tests may need more."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_worker_niceness": "0",  # of 15 they wait for every other process on a busy machine
    "RAY_memory_monitor_refresh_ms": "0",  # else it kills workers where other programs take the machine's memory
}
"""Settings that Ray takes from the environment when it starts."""


def started(cluster: Any, **how: Any) -> Any:
    """A node that has joined a `ray.cluster_utils.Cluster`; the first is its head."""
    for _ in range(STARTS - 1):
        with suppress(Exception):  # a bare one is what Ray raises
            return cluster.add_node(**how, **NODE, **_agents(), wait=False)
    return cluster.add_node(**how, **NODE, **_agents(), wait=False)


def _agents() -> dict[str, int]:
    """Ports for a node's agents. It waits a quarter of a minute for those that choose their own, and then aborts."""
    with ExitStack() as held:
        free = [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(3)]
    return dict(zip(("metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port"), free, strict=True))
