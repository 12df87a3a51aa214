"""Ctrl-C and SIGTERM: never in the middle of an import, and never forgotten.

An exception that meets a library's compiled part while it starts ends the process with an abort, and one that meets a
finaliser is dropped. So a signal that comes during an import waits for its end, and progress asks at every step
whether one was lost. Libraries also make other errors of a KeyboardInterrupt: whoever reports an error asks here
whether it is only the interrupt's shadow.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from types import FrameType

AGAIN_SECONDS = 0.02
"""How long after a signal met an import it is tried again; an import of torch takes a second or two."""

_received: list[int] = []
_raised: list[int] = []
"""Of the signals received those that have ended something; one that waited for an import need not come again then."""


def listen() -> None:
    """Have both signals raise KeyboardInterrupt from now on, and forget those of before."""
    _received.clear()
    _raised.clear()
    sys.unraisablehook = _unraisable
    with suppress(ValueError):  # only a main thread may set handlers
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGTERM, _interrupt)
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, _interrupt)


def was_interrupted() -> bool:
    """Whether a signal has come since `listen`."""
    return bool(_received)


def stop_if_interrupted() -> None:
    """Raise what a signal has raised before, if somebody has swallowed it: an exception that meets a finaliser or a
    weak reference's callback is printed or dropped, and the program would go on. Progress asks at every step."""
    if _received:
        _raised.append(_received[-1])
        raise KeyboardInterrupt


class Interruptible:
    """An `auditing.Progress` that shows nothing, and stops where a signal was lost."""

    def step(self, text: str) -> None:
        stop_if_interrupted()

    def windows(self, done: int, total: int, tokens: int) -> None:
        stop_if_interrupted()


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _raised and number == signal.SIGALRM:
        return
    _received.append(number)
    if hasattr(signal, "setitimer") and _is_importing(frame):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        return
    _raised.append(number)
    raise KeyboardInterrupt


def _unraisable(dropped: sys.UnraisableHookArgs) -> None:
    """Of an interrupt that met a finaliser not a word: it is not lost, see `stop_if_interrupted`."""
    if not isinstance(dropped.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _is_importing(frame: FrameType | None) -> bool:
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
