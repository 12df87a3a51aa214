"""Ctrl-C and SIGTERM, remembered.

Libraries make other errors of a KeyboardInterrupt that meets them half-way through an import; whoever reports an error
asks here whether it is only the interrupt's shadow.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType
from typing import NoReturn

_received: list[int] = []


def listen() -> None:
    """Have both signals raise KeyboardInterrupt from now on, and forget those of before."""
    _received.clear()
    with suppress(ValueError):  # only a main thread may set handlers
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGTERM, _interrupt)


def was_interrupted() -> bool:
    """Whether a signal has come since `listen`."""
    return bool(_received)


def stop_if_interrupted() -> None:
    """Raise what a signal has raised before, if somebody has swallowed it: an exception that meets a finaliser or a
    weak reference's callback is printed or dropped, and the program would go on. Progress asks at every step."""
    if _received:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    _received.append(number)
    raise KeyboardInterrupt
