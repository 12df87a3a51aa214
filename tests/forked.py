"""Programs forked from a process that has imported torch (tests/warm_program.py), as those who start them see them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from tests.processes import LONG


class Forks:
    """The process that forks, which answers one line after the other."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def start(self, asked: Mapping[str, Any]) -> int:
        """The id of a program that has been started."""
        return self._answer(asked)

    def wait(self, process: int) -> int:
        """Its exit code, or minus the signal that ended it."""
        return self._answer({"wait": process})

    def _answer(self, asked: Mapping[str, Any]) -> int:
        assert self._server.stdin and self._server.stdout  # each answer is one line, so nothing is left in a buffer
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        ready, _, _ = select.select([self._server.stdout], [], [], LONG)
        assert ready, f"it does not end: {asked}"
        return int(self._server.stdout.readline())


class Forked:
    """A program under way, with what `subprocess.Popen` has that is of use; its `with` block ends with it."""

    def __init__(self, forks: Forks, arguments: Sequence[str], how: Mapping[str, Any], *, stdin: str = "") -> None:
        """Start it.

        Args:
            how: "environment", "folder" and, for a program that stops at moments, "hooks".
        """
        self._forks, self._streams = forks, TemporaryDirectory()
        self.args = list(arguments)
        self.returncode: int | None = None
        files = {name: Path(self._streams.name, name) for name in ("in", "out", "err")}
        files["in"].write_text(stdin, encoding="utf-8")
        self._said = files["out"], files["err"]
        self.pid = forks.start({**how, "arguments": self.args, **{name: str(file) for name, file in files.items()}})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.wait()
        self._streams.cleanup()

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        if self.returncode is None:
            self.returncode = self._forks.wait(self.pid)
        return self.returncode

    def communicate(self, timeout: float = LONG) -> tuple[str, str]:
        """What it has said, when it has ended; how long that may take is up to `Forks`."""
        self.wait()
        out, err = (file.read_text(encoding="utf-8") for file in self._said)
        return out, err

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
