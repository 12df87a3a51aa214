"""Audits as tasks of a cluster: each model measured where there is room, its record written by the driver."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shape_audit.auditing import AuditOptions, RecordNotWrittenError, audit, plan_memory
from shape_audit.cluster.connection import ray_session
from shape_audit.cluster.options import ClusterOptions
from shape_audit.cluster.progress import ClusterProgress, SilentCluster
from shape_audit.cluster.room import ClusterRoom
from shape_audit.cluster.task import Desk, Keepsakes, Placed, Task
from shape_audit.errors import IncompleteError, ShapeAuditError, UsageError
from shape_audit.hub import parse_model
from shape_audit.records import AuditRecord, ref_file_name
from shape_audit.storage import check_record_folder, keep_record

if TYPE_CHECKING:
    from shape_audit.models import MemoryPlan

PARTIAL_SUMS = "state.safetensors"


@dataclass(frozen=True)
class AuditTask(Task):
    """The audit of one model; its record comes back as JSON."""

    name: str
    options: AuditOptions

    @property
    def keepsakes(self) -> Keepsakes | None:
        folder = self.options.keep.partial
        if folder is None:
            return None
        try:
            ref = parse_model(self.name, subfolder=self.options.read.subfolder, variant=self.options.read.variant)
        except ShapeAuditError:  # which its run will say
            return None
        return Keepsakes(folder, f"{glob.escape(ref_file_name(ref))}__*/{PARTIAL_SUMS}")

    def placed(self, room: ClusterRoom) -> Placed:
        uses_gpus = self.options.load.device == "cuda" or (self.options.load.device == "auto" and room.has_gpus)
        plan = self._plan("cuda" if uses_gpus else "cpu")
        if not uses_gpus:
            return Placed(self, room.on_cpus(plan))
        resources = room.on_gpus(plan)
        return Placed(self._spread() if resources.gpus > 1 else self, resources)

    def _plan(self, device: str) -> MemoryPlan | None:
        """What all of it in one place takes; None where that cannot be said."""
        import torch

        from shape_audit.models import Machine

        try:
            where = Machine.elsewhere(torch.device(device))
            return plan_memory(self.name, self.options.but(device_map=None, max_memory=None), machine=where)
        except Exception:  # the run will say why
            return None

    def _spread(self) -> Task:
        """The same over several GPUs, where the user has not said how."""
        is_free = self.options.load.device_map is None and self._can_offload
        return AuditTask(self.name, self.options.but(device_map="auto")) if is_free else self

    def run(self, desk: Desk) -> bytes:
        partial = desk.kept if self.keepsakes else None
        record = audit(self.name, self.options.but(records=None, partial=partial), progress=desk)
        return record.model_dump_json(by_alias=True).encode()

    @property
    def _can_offload(self) -> bool:
        measure = self.options.measure
        return not measure.nfa and measure.protocol != "projected-output"

    def lighter(self) -> Task | None:
        """Window by window, then with weights that come from CPU memory or disk as they are needed."""
        load = self.options.load
        if load.micro_batch != 1:
            return AuditTask(self.name, self.options.but(micro_batch=1))
        if self._can_offload and load.device_map != "disk":
            return AuditTask(self.name, self.options.but(device_map="disk", max_memory=None))
        return None


def audits(
    models: Sequence[str],
    options: AuditOptions,
    cluster: ClusterOptions,
    *,
    progress: ClusterProgress | None = None,
) -> Iterator[tuple[str, AuditRecord | ShapeAuditError]]:
    """Audit models on a Ray cluster, and give what became of each as it is done; records are written here.

    Partial sums come here too, so that an audit whose machine is lost, or that a killed driver has left, goes on.

    Args:
        options: of every audit; the folders in them are this machine's.

    Raises:
        MissingExtraError: the extra `cluster` is not installed.
        IncompleteError: there is no cluster, or its workers have other versions than this process.
        UsageError: options that are for one process or one model.
    """
    _refuse_what_stays_here(options)
    if options.keep.records is not None:
        check_record_folder(options.keep.records)  # now rather than after the first audit
    with ray_session(cluster.ray_address):
        from shape_audit.cluster.ray_engine import RayEngine

        tasks = [AuditTask(model, options) for model in dict.fromkeys(models)]
        for finished in RayEngine(cluster).run(tasks, len(tasks), progress or SilentCluster()):
            if finished.error is not None:
                yield finished.task.name, finished.error
                continue
            yield finished.task.name, _kept(finished.answer.value, options)
            finished.task.let_go()


def _refuse_what_stays_here(options: AuditOptions) -> None:
    """Raises UsageError for options that mean files or work of this machine, of which workers know nothing."""
    if options.shape_only:
        raise UsageError("--engine ray is for measuring; with --shape-only the network is all there is to wait for")
    if options.text.save_windows is not None:
        raise UsageError("--save-windows writes on one machine; leave out --engine ray")
    if options.score is not None:
        raise UsageError("audit --score runs here; use shape-audit score --engine ray first, whose results audit finds")


def _kept(content: bytes, options: AuditOptions) -> AuditRecord | ShapeAuditError:
    """The record, written where it was asked for."""
    record = AuditRecord.model_validate_json(content)
    if options.keep.records is not None:
        try:
            keep_record(record, options.keep.records)
        except IncompleteError as error:
            return RecordNotWrittenError(str(error), record)
    return record
