"""What a process that `launch` has started is told, and says at its end."""

import os

LAUNCHED = "SHAPE_AUDIT_LAUNCHED"
"""Set by `--num-processes` for the processes it starts."""
LOST_CONTACT = 75
"""Exit code of such a process that failed only because another one did: it leaves the last word to that one."""


def is_launched() -> bool:
    """Whether `launch` has started this process, and speaks for it."""
    return LAUNCHED in os.environ
