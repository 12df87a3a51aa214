"""One process for each question: what it may see, how long and how large it may become, and its end.

It is given the visitor's token and an empty folder, and of this machine's environment only what is listed here. So
neither this machine's token nor what another visitor was allowed to see can be in an answer, whatever a library does,
and what has no end is killed.
"""

from __future__ import annotations

import json
import os
import signal
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer
from typing import Any

from shape_audit.app.question import Question

LONGEST_MESSAGE = 16 * 2**20
"""Characters. A record and the findings of a model have some ten thousand."""
_KEPT = (
    "PATH", "PYTHONPATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS", "SSL_CERT_FILE", "SSL_CERT_DIR", "HF_ENDPOINT", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
"""What Python and the Hub's client need of the environment; no token, no cache, no settings of ours."""


@dataclass(frozen=True)
class Limits:
    """What one question may take.

    Attributes:
        seconds: after which the process is killed.
        largest_measured: parameters of models that are measured; 0 where models are only read.
        folder: where each question gets a folder of its own; None for the system's.
    """

    seconds: int
    memory_bytes: int
    largest_measured: int = 0
    folder: Path | None = None


class TimedOutError(Exception):
    """The process was killed since its time was over."""


_running: set[subprocess.Popen[str]] = set()


@contextmanager
def questions_folder() -> Iterator[Path]:
    """A folder for the folders of all questions. At the end no question is being answered, and it is gone."""
    with tempfile.TemporaryDirectory(prefix="shape-audit-app-", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        finally:
            for process in tuple(_running):
                _kill(process)


def messages(question: Question, token: str | None, limits: Limits) -> Iterator[tuple[int, str, Any]]:
    """What `reader` says, as it says it: a model's number, what is said of it, and that itself.

    The process and its folder are gone when this ends, also where whoever iterates stops early.

    Raises:
        TimedOutError: it took too long.
    """
    given = {
        "names": question.names,
        "yardstick": question.yardstick,
        "largest": limits.largest_measured,
        "memory": limits.memory_bytes,
        "token": token,
    }
    with tempfile.TemporaryDirectory(prefix="question-", dir=limits.folder, ignore_cleanup_errors=True) as folder:
        with _reader(Path(folder)) as process, _killed_after(limits.seconds, process) as is_over:
            assert process.stdin and process.stdout
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(given))
                process.stdin.close()
            while line := process.stdout.readline(LONGEST_MESSAGE):
                if not line.endswith("\n"):
                    break
                number, kind, content = json.loads(line)
                yield number, kind, content
        if is_over.is_set():
            raise TimedOutError


@contextmanager
def _reader(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The process, in a session of its own, which ends with all that it has started."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "shape_audit.app.reader"],
        cwd=folder, env=_environment(folder), text=True, encoding="utf-8", start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _running.add(process)
    try:
        yield process
    finally:
        _kill(process)
        _running.discard(process)
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        "PYTHONSAFEPATH": "1",
        "PYTHONUSERBASE": site.getuserbase(),  # packages of the user's own are looked for in HOME
    }


@contextmanager
def _killed_after(seconds: int, process: subprocess.Popen[str]) -> Iterator[Event]:
    """Kills the process when its time is over; the event says whether that was so."""
    is_over = Event()

    def kill() -> None:
        is_over.set()
        _kill(process)

    timer = Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()


def _kill(process: subprocess.Popen[str]) -> None:
    """Only while it has not been waited for: its number may be another's afterwards."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
