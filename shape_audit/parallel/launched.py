"""What a launcher (accelerate launch, torchrun, --num-processes) has told this process, by torch's names."""

from __future__ import annotations

import os
from collections.abc import Mapping

LAUNCHED = "SHAPE_AUDIT_LAUNCHED"
"""Set by `--num-processes` for the processes it starts."""
LOST_CONTACT = 75
"""Exit code of such a process that failed only because another one did: it leaves the last word to that one."""


def world_size(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes share the run."""
    return _number(environment, "WORLD_SIZE", 1)


def rank(environment: Mapping[str, str] = os.environ) -> int:
    """Which of them this one is; the first writes the record and the report."""
    return _number(environment, "RANK", 0) if world_size(environment) > 1 else 0


def local_rank(environment: Mapping[str, str] = os.environ) -> int:
    """Which of this machine's processes it is: which of its accelerators is its own."""
    return _number(environment, "LOCAL_RANK", 0) if world_size(environment) > 1 else 0


def _number(environment: Mapping[str, str], name: str, otherwise: int) -> int:
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else otherwise
