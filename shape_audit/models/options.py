"""How a model is loaded and run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from shape_audit.errors import UsageError
from shape_audit.models.device_map import parse_device_map, parse_max_memory
from shape_audit.spec import Option, Spec

Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["auto", "float32", "bfloat16", "float16", "float64"]


@dataclass(frozen=True)
class LoadOptions(Spec):
    """On which device, in which dtype, and where weights live that do not fit there."""

    device: Annotated[Device, Option("Where to measure.", panel="Hardware")] = "auto"
    dtype: Annotated[
        Dtype,
        Option(
            "Dtype of the pass; auto is the checkpoint's own (float32 for float16). Sums are always float32 or better.",
            panel="Hardware",
            manifest=True,
        ),
    ] = "auto"
    attn_implementation: Annotated[
        Literal["sdpa", "eager"] | None,
        Option("Attention implementation.", default="as transformers chooses", panel="Advanced", manifest=True),
    ] = None
    micro_batch: Annotated[
        int | None, Option("Windows per forward pass.", default="by memory", at_least=1, panel="Hardware")
    ] = None
    device_map: Annotated[
        str | None,
        Option(
            "For models larger than memory: spread weights over GPUs, CPU memory and disk. cpu, disk: all "
            "blocks there. FILE: JSON, module to device.",
            metavar="auto|balanced|cpu|disk|FILE",
            panel="Hardware",
            manifest=True,
        ),
    ] = None
    max_memory: Annotated[
        str | None,
        Option(
            "With --device-map auto or balanced, what weights may take: cuda:0=20GiB,cpu=4GiB.",
            metavar="LIST",
            panel="Advanced",
        ),
    ] = None

    def check(self) -> None:
        if self.device_map is not None:
            parse_device_map(self.device_map)
        if self.max_memory is not None:
            parse_max_memory(self.max_memory)
            if self.device_map not in ("auto", "balanced"):
                raise UsageError("--max-memory goes with --device-map auto or balanced")
        if self.device_map is not None and self.device == "mps":
            raise UsageError("--device-map spreads weights over CUDA GPUs, CPU memory and disk; leave out --device mps")
