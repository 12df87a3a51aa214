"""The two processes from which those of a test run are forked, so that what they import is imported once.

One has imported what reads no settings of the Hub's clients (`warm_program.PRELOADED`): from it come the processes that
fork programs. The other has the clients too, and xdist's workers come from it.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType, TracebackType
from typing import Any, Self

from tests.processes import ends_with_parent
from tests.warm_program import CLIENTS, PRELOADED, answer_all, forked, loaded, take

PROGRAMS, WORKERS = "PYTEST_WARM_PROGRAMS", "PYTEST_WARM_WORKERS"
"""Settings that hold the addresses; of what begins with PYTEST_ no program is told."""
OF_WORKERS = ("pyarrow.dataset", "sympy", "transformers.generation.utils", "transformers.trainer")
"""What tests import beside the clients. Not pytest's plugins, which pytest would import itself."""


class WarmStart:
    """The two processes, which end with its `with` block."""

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory()
        listening = []
        for name in (PROGRAMS, WORKERS):
            os.environ[name] = str(Path(self._folder.name, name))
            listening.append(socket.socket(socket.AF_UNIX))
            listening[-1].bind(os.environ[name])
            listening[-1].listen()
        numbers = [one.fileno() for one in listening]
        command = [sys.executable, "-m", "tests.warm_start", *map(str, numbers)]
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(command, cwd=root, pass_fds=numbers, preexec_fn=ends_with_parent)
        for one in listening:
            one.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()
        for name in (PROGRAMS, WORKERS):
            del os.environ[name]


def warm_python(kind: str) -> list[str]:
    """The command of a process that is forked from one of the two."""
    return [sys.executable, "-IS", str(Path(__file__).with_name("warm_python.py")), os.environ[kind]]


def serve(listening: socket.socket, work: Callable[[list[str]], None]) -> None:
    """Do the work in a process of its own for each that asks for it, in that one's place."""
    while True:
        connection, _ = listening.accept()
        message, streams, _, _ = socket.recv_fds(connection, 2**16, 3)
        if not message.endswith(b"\n"):
            message += connection.makefile("rb").readline()
        forked(partial(take_the_place, json.loads(message), streams, work))
        connection.close()
        for stream in streams:
            os.close(stream)


def take_the_place(asked: dict[str, Any], streams: list[int], work: Callable[[list[str]], None]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    take(asked["environment"])
    work(asked["arguments"])
    sys.stdout.flush()


def fork_programs(_: list[str]) -> None:
    answer_all(sys.stdin, os.dup(1), is_final=False)


def be_a_worker(arguments: list[str]) -> None:
    """As `python -u -c CODE` is, which is how xdist starts its workers."""
    sys.argv, code = arguments[-2:-1], arguments[-1]
    sys.modules["__main__"] = main = ModuleType("__main__")
    exec(code, vars(main))


def with_clients(listening: socket.socket) -> None:
    select.select([listening], [], [])  # a run without xdist has no workers
    loaded((*CLIENTS, *OF_WORKERS))
    serve(listening, be_a_worker)


def main() -> None:
    programs, workers = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    loaded(PRELOADED)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # in all of them, whatever OMP_NUM_THREADS says: sums are rounded alike
    assert not {"huggingface_hub", "transformers", "datasets"} & sys.modules.keys()
    forked(partial(with_clients, workers))
    serve(programs, fork_programs)


if __name__ == "__main__":
    main()
