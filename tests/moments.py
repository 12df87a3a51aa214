"""Moments of a program: it stops where a test wants it to, says so, and goes on when it is told to.

A test that waits for a moment needs no sleep and no luck: a hook in the program itself (Python's audit events: imports,
files opened and renamed; tests/stopping) writes the moment into a pipe, and waits for an answer in another one.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from tests.forked import Forked
from tests.processes import LONG, ends_with_parent

HOOKS = Path(__file__).with_name("stopping")
Running: TypeAlias = "subprocess.Popen[str] | Forked"
Start: TypeAlias = Callable[[Mapping[str, str]], Running]


class Stopped:
    """A program whose processes stop at moments, each at one after the other."""

    def __init__(self, process: Running, folder: Path, said: int) -> None:
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


def fresh(command: Sequence[str], environment: Mapping[str, str], **settings: Any) -> Start:
    """A start of a process of its own, for a program whose start is looked at too; `program.start` is faster."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": ends_with_parent}

    def start(hooks: Mapping[str, str]) -> subprocess.Popen[str]:
        path = os.pathsep.join(filter(None, [hooks["PYTHONPATH"], environment.get("PYTHONPATH")]))
        return subprocess.Popen(command, env={**environment, **hooks, "PYTHONPATH": path}, **both, **settings)

    return start


@contextmanager
def stopping_at(moments: Sequence[str], folder: Path, start: Start) -> Iterator[Stopped]:
    """Start a program that stops at these moments, in this order; it is killed at the end.

    Args:
        moments: an audit event and the module ("import torch._C") or a part of the path ("os.rename state"); what
            importlib.import_module imports has no event.
        folder: for pipes.
        start: starts it with these settings in its environment.
    """
    pipes = folder / "moments"
    pipes.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.mkfifo(pipes / "said")
    said = os.open(pipes / "said", os.O_RDWR)
    hooks = {"PYTHONPATH": str(HOOKS), "TEST_MOMENTS": "|".join(moments), "TEST_MOMENTS_FOLDER": str(pipes)}
    try:
        with start(hooks) as process:
            try:
                yield Stopped(process, pipes, said)
            finally:
                process.kill()
    finally:
        os.close(said)
