"""What is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from shape_audit.errors import UsageError
from shape_audit.spec import Option, Spec

ProtocolName = Literal["loss-gradient", "output-gradient", "projected-output"]


@dataclass(frozen=True)
class MeasureOptions(Spec):
    """Which gradients, where in the stream, and what is reported of them besides."""

    protocol: Annotated[
        ProtocolName,
        Option(
            "What is measured: gradients of the loss, of the logits, or projected logits as published.",
            panel="Measurement",
            manifest=True,
        ),
    ] = "loss-gradient"
    sites: Annotated[
        str, Option("all, embedding, or a list such as embedding,block.0,block.11.", panel="Measurement", manifest=True)
    ] = "all"
    spectrum: Annotated[
        int | None,
        Option("Also report the K largest eigenvalues of each AGOP.", metavar="K", at_least=1, panel="Measurement"),
    ] = None
    nfa: Annotated[
        bool,
        Option(
            "Also measure the weights' own interaction and the Neural Feature Ansatz, beside re-initialised models.",
            panel="Measurement",
        ),
    ] = False

    def check(self) -> None:
        if self.protocol == "projected-output" and self.sites != "all":
            raise UsageError("--protocol projected-output measures the output; leave out --sites")
