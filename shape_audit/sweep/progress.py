"""How a sweep tells whoever waits for it where it is."""

from __future__ import annotations

from typing import Protocol

from shape_audit.auditing import Progress, Silent
from shape_audit.cluster import ClusterProgress, SilentCluster


class SweepProgress(Progress, ClusterProgress, Protocol):
    """Told what the sweep is doing; audits of its models speak to it as to any `auditing.Progress`."""

    def sweep(self, done: float, total: float) -> None:
        """So many of the sweep's floating-point operations lie behind."""

    def model(self, name: str, number: int, models: int) -> None:
        """Model `number` of `models`, counted from 1, is next."""

    def training(self, step: int, steps: int, tokens_per_second: float, loss: float) -> None:
        """So many steps are done, at this speed in this session; `loss` is that of the last ones, in nats per byte."""


class SilentSweep(Silent, SilentCluster):
    """No progress shown."""

    def sweep(self, done: float, total: float) -> None: ...

    def model(self, name: str, number: int, models: int) -> None: ...

    def training(self, step: int, steps: int, tokens_per_second: float, loss: float) -> None: ...
