"""The report of `--dry-run`: what a pass would take of each memory, and whether it fits."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding

from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import byte_size
from shape_audit.reports.rich_tables import FittedTable, plain
from shape_audit.reports.tables import Table

if TYPE_CHECKING:
    from shape_audit.models import MemoryPlan

LEGEND = (
    "Counted from config and headers, on the safe side: a pass peaks at 0.75 to 1 of it. Process: interpreter and "
    "libraries. While weights load, pages of their files may be most of the peak; they go where room is needed. "
    "Weights on the disk are read again for every micro-batch, a block at a time (streamed)."
)


def memory_sentence(plan: MemoryPlan) -> str:
    """Whether it fits, and with which micro-batch."""
    windows = f"{plan.micro_batch} window{'s' if plan.micro_batch > 1 else ''} of {plan.seq_len} tokens at once"
    again = ", activations checkpointed" if plan.is_checkpointed else ""
    if plan.fits:
        return f"{plan.model} fits: {windows}, {plan.dtype}{again}"
    return f"{plan.model} does not fit: {shortage(plan)}, for {windows}, {plan.dtype}{again}"


def shortage(plan: MemoryPlan) -> str:
    """Where it does not fit, in words; empty where it does."""
    return ", ".join(
        f"{memory.device} needs {byte_size(memory.needed)} and has {byte_size(memory.available or 0)}"
        for memory in plan.devices
        if not memory.fits
    )


def memory_table(plan: MemoryPlan) -> Table:
    """One row a memory."""
    rows = tuple(
        (
            memory.device,
            byte_size(memory.weights),
            byte_size(memory.streamed),
            byte_size(memory.sums),
            byte_size(memory.activations),
            byte_size(memory.process),
            byte_size(memory.total) if memory.available is not None else "–",
            byte_size(memory.available) if memory.available is not None else "–",
            "yes" if memory.fits else "NO",
        )
        for memory in plan.devices
    )
    columns = ("", "weights", "streamed", "sums", "micro-batch", "process", "together", "there is", "fits")
    return Table("Memory", columns, rows)


def memory_text(plan: MemoryPlan) -> RenderableType:
    """The sentence, the table, and what would take less where it does not fit."""
    parts: list[RenderableType] = [plain(memory_sentence(plan), style="bold"), FittedTable(memory_table(plan))]
    parts += [plain(LEGEND, style="dim")]
    return Group(*parts, *([Padding(plain(f"Less: {plan.advice}"), (0, 0, 0, 2))] if plan.advice else []))


def memory_markdown(plan: MemoryPlan) -> str:
    """Markdown with a final line end."""
    parts = [f"# {escaped(memory_sentence(plan))}", markdown_table(memory_table(plan)), escaped(LEGEND)]
    return "\n\n".join([*parts, *([escaped(f"Less: {plan.advice}")] if plan.advice else [])]) + "\n"


def memory_json(plan: MemoryPlan) -> dict[str, Any]:
    """What JSON says of it; sizes in bytes."""
    return asdict(plan) | {"fits": plan.fits}
