"""One small Ray cluster for all tests of a worker: three nodes on this machine, two GPUs that are only said to be."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.local_ray import QUIET, started
from tests.processes import LONG


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
        cluster.wait_for_nodes(timeout=LONG)
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
