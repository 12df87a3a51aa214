"""Many models on many machines: tasks with what they need, and Ray to place them.

ClusterOptions                         --engine, --ray-address and what else is said of a cluster
audits(models, options, cluster)       -> for each model its record, or why there is none, as they are done
scored(models, options, cluster)       -> for each model its run of MMLU-Pro, or why there is none
Task, Desk, Placed, ClusterRoom        what other rooms make tasks of
RayEngine(cluster).run(tasks, ...)     -> Finished tasks, as they are done, within a ray_session(address)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.cluster.options import ClusterOptions
from shape_audit.cluster.progress import ClusterProgress, SilentCluster, Standing
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.cluster.audit_tasks import AuditTask, audits
    from shape_audit.cluster.connection import ray_session
    from shape_audit.cluster.ray_engine import Finished, RayEngine
    from shape_audit.cluster.room import ClusterRoom, Resources
    from shape_audit.cluster.score_tasks import scored
    from shape_audit.cluster.task import Desk, Keepsakes, Placed, Task

__all__ = [
    "AuditTask",
    "ClusterOptions",
    "ClusterProgress",
    "ClusterRoom",
    "Desk",
    "Finished",
    "Keepsakes",
    "Placed",
    "RayEngine",
    "Resources",
    "SilentCluster",
    "Standing",
    "Task",
    "audits",
    "ray_session",
    "scored",
]

__getattr__ = lazy_names(
    __name__,
    {
        "audit_tasks": "AuditTask audits",
        "connection": "ray_session",
        "ray_engine": "Finished RayEngine",
        "room": "ClusterRoom Resources",
        "score_tasks": "scored",
        "task": "Desk Keepsakes Placed Task",
    },
)
