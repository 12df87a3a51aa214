"""Moments of a program: it stops where a test wants it to, says so, and goes on when it is told to.

A test that waits for a moment needs no sleep and no luck: a hook in the program itself (Python's audit events: imports,
files opened and renamed; tests/stopping) writes the moment into a pipe, and waits for an answer in another one.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.processes import LONG, ends_with_parent

HOOKS = Path(__file__).with_name("stopping")


class Stopped:
    """A program whose processes stop at moments, each at one after the other."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, said: int) -> None:
        self.process, self._folder, self._said, self._text = process, folder, said, ""

    def next_moment(self) -> tuple[int, str] | None:
        """Wait for the next moment of any process: its id and the moment; None where the program has ended."""
        handle = os.pidfd_open(self.process.pid)
        waiting = select.poll()
        for one in (self._said, handle):
            waiting.register(one, select.POLLIN)
        while "\n" not in self._text:
            ready = dict(waiting.poll(LONG * 1000))
            if self._said not in ready:
                assert handle in ready, "neither a moment nor an end"
                os.close(handle)
                return None
            self._text += os.read(self._said, 4096).decode()
        os.close(handle)
        line, _, self._text = self._text.partition("\n")
        process, _, moment = line.partition(" ")
        return int(process), moment

    def go_on(self) -> None:
        """All processes that have stopped go on, to their next moments."""
        for go in self._folder.glob("[0-9]*"):
            with suppress(OSError):  # of one that is no more
                answer = os.open(go, os.O_WRONLY | os.O_NONBLOCK)
                os.write(answer, b"\n")
                os.close(answer)


@contextmanager
def stopping_at(
    moments: Sequence[str], command: Sequence[str], folder: Path, environment: Mapping[str, str], **settings: Any
) -> Iterator[Stopped]:
    """Start a command that stops at these moments, in this order; it is killed at the end.

    Args:
        moments: an audit event and the module ("import torch._C") or a part of the path ("os.rename state"); what
            importlib.import_module imports has no event.
        folder: for pipes.
        settings: of Popen.
    """
    pipes = folder / "moments"
    pipes.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.mkfifo(pipes / "said")
    said = os.open(pipes / "said", os.O_RDWR)
    path = os.pathsep.join(filter(None, [str(HOOKS), environment.get("PYTHONPATH")]))
    more = {"PYTHONPATH": path, "TEST_MOMENTS": "|".join(moments), "TEST_MOMENTS_FOLDER": str(pipes)}
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": ends_with_parent}
    try:
        with subprocess.Popen(command, env={**environment, **more}, **both, **settings) as process:
            try:
                yield Stopped(process, pipes, said)
            finally:
                process.kill()
    finally:
        os.close(said)
