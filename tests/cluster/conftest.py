"""One small Ray cluster for all tests of a worker: three nodes on this machine, two GPUs that are only said to be."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

NODE: dict[str, Any] = {"object_store_memory": 80 * 2**20, "include_dashboard": False, "include_log_monitor": False}
STARTS = 5
"""Ray gives up a node that does not answer for half a minute; a machine that is busy with other tests may need more."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # of 15 they wait for every other test on a busy machine
    "RAY_memory_monitor_refresh_ms": "0",  # else it kills workers where other programs take the machine's memory
}


def started(cluster: Any, **how: Any) -> Any:
    """A node that has joined the cluster; the first is its head."""
    for _ in range(STARTS - 1):
        with suppress(Exception):  # a bare one is what Ray raises
            return cluster.add_node(**how, **NODE, **agents(), wait=False)
    return cluster.add_node(**how, **NODE, **agents(), wait=False)


def agents() -> dict[str, int]:
    """Ports for a node's agents. It waits a quarter of a minute for those that choose their own, and then aborts."""
    with ExitStack() as held:
        free = [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(3)]
    return dict(zip(("metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port"), free, strict=True))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    pytest.importorskip("ray", reason="the extra cluster is not installed")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        started(cluster, num_cpus=2, no_monitor=True)
        started(cluster, num_cpus=2, num_gpus=2)
        for number, handler in handlers.items():  # Ray takes them, also from whoever runs the tests
            signal.signal(number, handler)
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="session")
def ray_address(ray_cluster: Any) -> str:
    """Of a cluster with a node of 2 CPUs and one of 2 CPUs and 2 GPUs."""
    address: str = ray_cluster.address
    return address


@pytest.fixture(scope="session")
def connected(ray_address: str) -> Iterator[None]:
    """This process is connected to it, as one job: its workers, once started, serve all tests."""
    from shape_audit.cluster import ray_session

    with ray_session(ray_address):
        yield
