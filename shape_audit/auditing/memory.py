"""The memory of an audit: what it will take, what cannot fit, and the folder that streamed weights may need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from shape_audit.auditing.options import AuditOptions
from shape_audit.errors import IncompleteError, UsageError
from shape_audit.hub import Checkpoint
from shape_audit.interaction import Site
from shape_audit.models import MemoryPlan, memory_advice, parse_device_map, parse_max_memory
from shape_audit.parallel import world_size
from shape_audit.records import ModelShape
from shape_audit.reports import shortage

if TYPE_CHECKING:
    from shape_audit.interaction import MeasurementProtocol
    from shape_audit.models import PlannedMemory, WeightPlacement


def audit_memory(
    checkpoint: Checkpoint,
    shape: ModelShape,
    sites: tuple[Site, ...],
    protocol: MeasurementProtocol,
    options: AuditOptions,
    *,
    seq_len: int,
    windows: int,
) -> PlannedMemory:
    """Where an audit's weights go and what its pass will take, see `plan_weights`. Nothing is loaded yet.

    Raises:
        UsageError: a device map that fits neither the model nor the machine, or one beside several processes.
    """
    from shape_audit.models import plan_weights

    settled = plan_weights(
        checkpoint,
        shape,
        {site.position: width for site, width in protocol.widths(sites, shape).items()},
        seq_len=seq_len,
        windows=windows,
        micro_batch=options.micro_batch,
        dtype=options.dtype,
        device=options.device,
        device_map=None if options.device_map is None else parse_device_map(options.device_map),
        max_memory=None if options.max_memory is None else parse_max_memory(options.max_memory),
    )
    advice = memory_advice(settled.plan, device_map=options.device_map, sites=options.sites)
    return replace(settled, plan=replace(settled.plan, advice=advice))


def refuse_what_cannot_fit(plan: MemoryPlan) -> None:
    """Stop where CPU memory cannot even hold what does not depend on the micro-batch: going on would be a SIGKILL.

    A GPU says so itself, and then smaller micro-batches are tried.

    Raises:
        IncompleteError: it cannot.
    """
    if not all(memory.lasting_fits for memory in plan.devices if memory.device == "cpu"):
        raise IncompleteError(f"{plan.model}: too little memory: {shortage(plan)}; use {plan.advice}")


@contextmanager
def offload_folder(placement: WeightPlacement | None) -> Iterator[Path | None]:
    """A folder for weights that are read from the disk in another form than they are stored in; gone afterwards."""
    if placement is None or not placement.needs_disk:
        yield None
        return
    with TemporaryDirectory(prefix="shape-audit-offload-") as folder:
        yield Path(folder)


def refuse_processes(options: AuditOptions) -> None:
    """Raises UsageError where a device map is asked for and windows are shared among processes."""
    if options.device_map is not None and world_size() > 1:
        raise UsageError(
            "--device-map spreads one model over devices, --num-processes windows over processes; choose one"
        )
