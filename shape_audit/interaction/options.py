"""What is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shape_audit.errors import UsageError
from shape_audit.interaction.protocols.names import OF_THE_WHOLE_MODEL, PROTOCOL_NAMES, protocol_names
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class MeasureOptions(Spec):
    """Which gradients, where in the stream, and what is reported of them besides."""

    protocol: Annotated[
        str,
        Option(
            "What is measured: loss-gradient, output-gradient (of the logits), projected-output (logits, as "
            "published), input-simplex (one-hot inputs), or what an installed package adds.",
            metavar="NAME",
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
    use: Annotated[
        bool,
        Option(
            "Also measure how many directions of the width are active, and how many matter.",
            panel="Measurement",
            manifest=True,
        ),
    ] = False
    skip: Annotated[
        bool,
        Option("Also measure what each block is worth, by leaving it out.", panel="Measurement", manifest=True),
    ] = False
    skip_windows: Annotated[
        int, Option("Windows to leave blocks out on.", metavar="N", at_least=6, panel="Measurement")
    ] = 16
    skip_spans: Annotated[
        int | None,
        Option(
            "With --skip, also find which N contiguous blocks can be left out at the lowest cost.",
            metavar="N",
            at_least=2,
            panel="Measurement",
        ),
    ] = None
    nfa: Annotated[
        bool,
        Option(
            "Also measure the weights' own interaction and the Neural Feature Ansatz, beside re-initialised models.",
            panel="Measurement",
        ),
    ] = False

    def check(self) -> None:
        if self.protocol not in PROTOCOL_NAMES and self.protocol not in protocol_names():
            raise UsageError(f"--protocol must be one of {', '.join(protocol_names())}, not {self.protocol}")
        if self.skip_spans is not None and not self.skip:
            raise UsageError("--skip-spans goes with --skip")
        for name in ("use", "skip"):
            if self.protocol in OF_THE_WHOLE_MODEL and getattr(self, name):
                raise UsageError(
                    f"--{name} belongs to a protocol that reads the residual stream, not to {self.protocol}"
                )
        if self.protocol in OF_THE_WHOLE_MODEL and self.sites != "all":
            raise UsageError(f"--protocol {self.protocol} has a site of its own; leave out --sites")
