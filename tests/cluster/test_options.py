"""What may be said of a cluster, and to which command."""

from typing import Any

import pytest

from shape_audit.cluster import ClusterOptions
from shape_audit.errors import UsageError
from shape_audit.leaderboard import BuildOptions
from shape_audit.sweep import SweepOptions


def test_a_size_is_read_as_everywhere() -> None:
    assert ClusterOptions.of(engine="ray", gpu_memory="80GiB").gpu_bytes == 80 * 2**30
    assert ClusterOptions().gpu_bytes is None and not ClusterOptions().uses_ray


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        (ClusterOptions, {"ray_address": "auto"}, "--ray-address: of a Ray cluster; add --engine ray"),
        (ClusterOptions, {"task_cpus": 2, "gpu_memory": "1GB"}, "--gpu-memory and --task-cpus: of a Ray cluster"),
        (ClusterOptions, {"engine": "ray", "gpu_memory": "much"}, "--gpu-memory must be a size, as 80GiB, not much"),
        (ClusterOptions, {"engine": "slurm"}, "--engine must be one of processes, ray, not slurm"),
        (BuildOptions, {"engine": "ray"}, "--engine ray is for measuring"),
        (BuildOptions, {"engine": "ray", "measure": True, "jobs": 2}, "--jobs is for this machine's processes"),
        (SweepOptions, {"engine": "ray", "params": "1m", "depths": "1", "data": "x"}, "give --precision"),
    ],
)
def test_what_is_no_valid_combination_is_one_line(options: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options.of(**given)
