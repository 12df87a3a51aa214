"""The processes that share a pass, each of which sees some of its windows. Accelerate brings them together."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from shape_audit.errors import IncompleteError
from shape_audit.parallel.launched import LAUNCHED, LOST_CONTACT, world_size

COLLECTIVE_TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others at a checkpoint before it gives up."""


class Alone:
    """One process: everything it has is everything there is."""

    rank, size = 0, 1

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum of this tensor over all processes, on each of them."""
        return tensor

    def gathered(self, part: Any) -> list[Any]:
        """What each process has, in order of rank, on each of them."""
        return [part]

    def from_first(self, value: Any) -> Any:
        """What the first process has, on each of them."""
        return value


class Processes(Alone):
    """Several processes, started by `accelerate launch`, torchrun or `--num-processes`."""

    def __init__(self, device: torch.device) -> None:
        """Join the others.

        Args:
            device: this process's own.

        Raises:
            IncompleteError: the others could not be reached.
        """
        from accelerate import PartialState

        try:
            self._state = PartialState(cpu=device.type == "cpu", timeout=COLLECTIVE_TIMEOUT)
        except (RuntimeError, ValueError) as error:
            raise IncompleteError(f"the processes of this run do not find each other: {_reason(error)}") from error
        self.rank, self.size = self._state.process_index, self._state.num_processes

    def summed(self, tensor: Tensor) -> Tensor:
        from accelerate.utils import reduce

        total: Tensor = self._together(lambda: reduce(tensor.clone(), reduction="sum"))
        return total

    def gathered(self, part: Any) -> list[Any]:
        from accelerate.utils import gather_object

        parts: list[Any] = self._together(lambda: gather_object([part]))
        return parts

    def from_first(self, value: Any) -> Any:
        from accelerate.utils import broadcast_object_list

        return self._together(lambda: broadcast_object_list([value], from_process=0))[0]

    def _together(self, collective: Any) -> Any:
        try:
            return collective()
        except RuntimeError as error:
            if LAUNCHED in os.environ:
                raise SystemExit(LOST_CONTACT) from error
            raise IncompleteError(
                f"lost contact with another process of this run ({_reason(error)}); its own message says why"
            ) from error


def _reason(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:160]


def join(device: torch.device) -> Alone:
    """The world this process belongs to."""
    return Processes(device) if world_size() > 1 else Alone()
