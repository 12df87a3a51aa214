"""The processes of a run: how many there are, which one this is, and what they share.

launch(arguments, processes)   -> the exit code of the same command, run as several processes on this machine
join(device)                   -> Alone or Processes: sums and gathers over them                 (imports torch)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.parallel.launched import LAUNCHED, LOST_CONTACT, local_rank, rank, world_size
from shape_audit.parallel.launcher import check_launched, end_with_launcher, launch

if TYPE_CHECKING:
    from shape_audit.parallel.group import Alone, join

__all__ = [
    "LAUNCHED",
    "LOST_CONTACT",
    "Alone",
    "check_launched",
    "end_with_launcher",
    "join",
    "launch",
    "local_rank",
    "rank",
    "world_size",
]

__getattr__ = lazy_names(__name__, {"Alone": "group", "join": "group"})
