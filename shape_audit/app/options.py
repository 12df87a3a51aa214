"""Where the page is served, and what its visitors may ask of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shape_audit.errors import UsageError
from shape_audit.shape import parse_budget
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class AppOptions(Spec):
    """Where the page is served, and what its visitors may ask of the machine."""

    host: Annotated[
        str, Option("Address to serve at; 0.0.0.0 serves whoever can reach the machine.", panel="Server")
    ] = "127.0.0.1"
    port: Annotated[int, Option("Port to serve at; 0 for any that is free.", at_least=0, panel="Server")] = 7860
    measure_up_to: Annotated[
        str | None,
        Option(
            "Let visitors measure models of up to this many parameters, e.g. 50M (needs the extra measure).",
            metavar="N",
            default="no measuring",
            panel="Limits",
        ),
    ] = None
    at_once: Annotated[
        int, Option("Questions that are answered at the same time; measuring is one at a time.", at_least=1,
                    panel="Limits")
    ] = 2  # fmt: skip
    waiting: Annotated[int, Option("Questions that may wait; more are turned away.", at_least=1, panel="Limits")] = 32
    patience: Annotated[
        int, Option("Seconds after which reading is given up; measuring has ten times as many.", at_least=1,
                    panel="Limits")
    ] = 60  # fmt: skip
    memory: Annotated[
        float, Option("GiB of memory that one question may take (Linux).", metavar="GIB", at_least=0.5, panel="Limits")
    ] = 4.0

    def check(self) -> None:
        if self.port > 65535:
            raise UsageError(f"--port must be at most 65535, not {self.port}")
        _ = self.largest_measured

    @property
    def largest_measured(self) -> int:
        """Parameters of the largest model that may be measured; 0 where none may.

        Raises:
            UsageError: not a number of parameters.
        """
        if self.measure_up_to is None:
            return 0
        try:
            return parse_budget(self.measure_up_to)
        except UsageError as error:
            raise UsageError(str(error).replace("--params", "--measure-up-to", 1)) from error
