"""The processes of a run: how many there are, which one this is, and what they share.

processes_of_run()             -> SingleProcess or ProcessGroup, made once at the door and passed on
launch(arguments, processes)   -> the exit code of the same command, run as several processes on this machine
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.parallel.launched import is_launched
from shape_audit.parallel.processes import ProcessGroup, SingleProcess, processes_of_run

if TYPE_CHECKING:
    from shape_audit.parallel.launcher import check_launched, end_with_launcher, launch

__all__ = [
    "ProcessGroup",
    "SingleProcess",
    "check_launched",
    "end_with_launcher",
    "is_launched",
    "launch",
    "processes_of_run",
]

__getattr__ = lazy_names(__name__, {"launcher": "check_launched end_with_launcher launch"})
