"""The memory of an audit: what it will take, what cannot fit, and the folder that streamed weights may need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.subject import Subject
from shape_audit.errors import TooLittleMemoryError, UsageError
from shape_audit.models import MemoryPlan, memory_advice
from shape_audit.parallel import SingleProcess
from shape_audit.reports import shortage

if TYPE_CHECKING:
    import torch

    from shape_audit.interaction import MeasurementProtocol
    from shape_audit.models import Machine, PlannedMemory, WeightPlacement


def audit_memory(
    subject: Subject,
    protocol: MeasurementProtocol,
    options: AuditOptions,
    size: tuple[int, int],
    device: torch.device | Machine,
) -> PlannedMemory:
    """Where an audit's weights go and what its pass will take, see `plan_weights`. Nothing is loaded yet.

    Args:
        size: seq_len, and how many windows there may be.
        device: where it will be computed, here or on another machine.

    Raises:
        UsageError: a device map that fits neither the model nor the machine, or one beside several processes.
    """
    from shape_audit.models import PassSize, plan_weights

    widths = {site.position: width for site, width in protocol.widths(subject.sites, subject.shape).items()}
    planned = plan_weights(
        subject.stored, subject.shape, PassSize(*size, widths, options.measure.use), options.load, device
    )
    advice = memory_advice(planned.plan, device_map=options.load.device_map, sites=options.measure.sites)
    return replace(planned, plan=replace(planned.plan, advice=advice))


def refuse_what_cannot_fit(plan: MemoryPlan) -> None:
    """Stop where CPU memory cannot even hold what does not depend on the micro-batch: going on would be a SIGKILL.

    A GPU says so itself, and then smaller micro-batches are tried.

    Raises:
        TooLittleMemoryError: it cannot.
    """
    if not all(memory.lasting_fits for memory in plan.devices if memory.device == "cpu"):
        raise TooLittleMemoryError(f"{plan.model}: too little memory: {shortage(plan)}; use {plan.advice}")


@contextmanager
def offload_folder(placement: WeightPlacement | None) -> Iterator[Path | None]:
    """A folder for weights that are read from the disk in another form than they are stored in; gone afterwards."""
    if placement is None or not placement.needs_disk:
        yield None
        return
    with TemporaryDirectory(prefix="shape-audit-offload-") as folder:
        yield Path(folder)


def refuse_processes(options: AuditOptions, processes: SingleProcess) -> None:
    """Raises UsageError where a device map is asked for and windows are shared among processes."""
    if options.load.device_map is not None and processes.size > 1:
        raise UsageError(
            "--device-map spreads one model over devices, --num-processes windows over processes; choose one"
        )
