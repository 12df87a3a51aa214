"""How long this process has been running: a user's wait begins before the first line of ours is run."""

from __future__ import annotations

import os
import time
from pathlib import Path


def process_seconds() -> float:
    """Seconds since the system started this process, to a hundredth; 0 where it does not say."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError, IndexError):  # not Linux
        return 0.0
