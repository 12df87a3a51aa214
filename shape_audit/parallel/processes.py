"""The processes of a run as one object, made at the door and passed on; nobody else reads RANK or WORLD_SIZE.

`accelerate launch`, torchrun and `--num-processes` tell each process which one it is by torch's variables. A process
that has only some of them was not started by a launcher: they are left over from something else, and it is alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shape_audit.errors import IncompleteError, UsageError, first_line
from shape_audit.parallel.launched import LAUNCHED, LOST_CONTACT

if TYPE_CHECKING:
    import torch
    from torch import Tensor

COLLECTIVE_TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others at a checkpoint before it gives up."""
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What every launcher sets, all of them."""


class SingleProcess:
    """One process: everything it has is everything there is.

    Attributes:
        note: what the user should know about how the number of processes was found; None for nothing.
    """

    rank, size, local_rank = 0, 1, 0

    def __init__(self, note: str | None = None) -> None:
        self.note = note

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks, and writes records."""
        return self.rank == 0

    def join(self, device: torch.device) -> None:
        """Meet the other processes, before anything is shared.

        Args:
            device: this process's own.

        Raises:
            IncompleteError: the others could not be reached.
        """

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum of this tensor over all processes, on each of them."""
        return tensor

    def gathered(self, part: Any) -> list[Any]:
        """What each process has, in order of rank, on each of them."""
        return [part]

    def from_first(self, value: Any) -> Any:
        """What the first process has, on each of them."""
        return value


class ProcessGroup(SingleProcess):
    """Several processes, brought together by Accelerate."""

    def __init__(self, rank: int, size: int, local_rank: int, *, is_ours: bool) -> None:
        """
        Args:
            local_rank: which of this machine's processes this is: which of its accelerators is its own.
            is_ours: whether `launch` has started it, and says at the end why a process failed.
        """
        super().__init__()
        self.rank, self.size, self.local_rank, self._is_ours = rank, size, local_rank, is_ours

    def join(self, device: torch.device) -> None:
        from accelerate import PartialState

        try:
            state = PartialState(cpu=device.type == "cpu", timeout=COLLECTIVE_TIMEOUT)
        except (RuntimeError, ValueError) as error:
            raise IncompleteError(f"the processes of this run do not find each other: {first_line(error)}") from error
        if state.num_processes != self.size:
            raise UsageError(f"{self.size} processes were started, but Accelerate joins {state.num_processes} of them")

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

    def _together(self, collective: Callable[[], Any]) -> Any:
        try:
            return collective()
        except RuntimeError as error:
            if self._is_ours:
                raise SystemExit(LOST_CONTACT) from error
            raise IncompleteError(
                f"lost contact with another process of this run ({first_line(error)}); its own message says why"
            ) from error


def processes_of_run(environment: Mapping[str, str] = os.environ) -> SingleProcess:
    """The processes that a launcher has started, of which this is one; else this one alone."""
    rank, size, local_rank = (_number(environment.get(name, "")) for name in VARIABLES[:3])
    if size is None or size < 2:
        return SingleProcess()
    missing = [name for name in VARIABLES if not environment.get(name)]
    if missing or rank is None or local_rank is None or rank >= size:
        what = f"without {', '.join(missing)}" if missing else "beside impossible ranks"
        return SingleProcess(f"WORLD_SIZE={size} is set {what}: no launcher did that; this is one process alone")
    return ProcessGroup(rank, size, local_rank, is_ours=LAUNCHED in environment)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
