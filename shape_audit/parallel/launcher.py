"""Starting one audit as several processes on this machine: what `accelerate launch` does, with the exit code kept.

accelerate's launcher turns every failure of a child into 1, and on a CPU starts one process whatever it was asked for.
The processes find each other by torch.distributed's variables, as under any launcher; Accelerate does the rest.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import IO

from shape_audit.errors import ExitCode, IncompleteError, UsageError
from shape_audit.parallel.launched import LAUNCHED, LOST_CONTACT
from shape_audit.parallel.processes import SingleProcess

GRACE_SECONDS = 10
"""Once told to, how long a process may take to end."""
SETTLING_SECONDS = 2
"""After one process has failed, how long the others may take to fail too."""


def launch(arguments: Sequence[str], processes: int) -> int:
    """Run `python -m shape_audit` with these arguments as several processes, and wait for them.

    Returns:
        The exit code of the process that failed first, else of the first process.

    Raises:
        UsageError: not a possible number of processes.
        IncompleteError: a process could not be started.
    """
    if processes < 1:
        raise UsageError(f"--num-processes must be at least 1, not {processes}")
    started: list[tuple[subprocess.Popen[bytes], IO[bytes] | None]] = []
    try:
        port = _free_port()
        for rank in range(processes):
            # what the first process says is the run's; of the others only a failure is of interest
            errors = None if rank == 0 else tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
            output = None if rank == 0 else subprocess.DEVNULL
            process = subprocess.Popen(
                [sys.executable, "-m", "shape_audit", *arguments],
                env=_environment(rank, processes, port),
                stdin=subprocess.PIPE,  # its end is the end of this process, see `end_with_launcher`
                stdout=output,
                stderr=errors,
            )
            started.append((process, errors))
        return _wait(started)
    except OSError as error:
        raise IncompleteError(f"a process could not be started ({error.strerror or error})") from error
    finally:
        _end([process for process, _ in started])


def end_with_launcher() -> None:
    """In a process that `launch` has started: end when the launcher does, even when that was killed."""
    if LAUNCHED not in os.environ:
        return

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(ExitCode.INTERRUPTED)

    Thread(target=watch, daemon=True).start()


def check_launched(requested: int, processes: SingleProcess) -> None:
    """Refuse to go on with another number of processes than was asked for.

    Raises:
        UsageError: a launcher has started another number.
    """
    if processes.size != requested:
        raise UsageError(f"--num-processes {requested}: the launcher has started {processes.size}")


def _environment(rank: int, processes: int, port: int) -> dict[str, str]:
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // processes))
    return {
        **os.environ,
        LAUNCHED: "1",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": threads,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(started: Sequence[tuple[subprocess.Popen[bytes], IO[bytes] | None]]) -> int:
    """The exit code of the run."""
    while True:
        codes = [process.poll() for process, _ in started]
        if any(codes):
            return _failure(started)
        if all(code == 0 for code in codes):
            return 0
        time.sleep(0.05)


def _failure(started: Sequence[tuple[subprocess.Popen[bytes], IO[bytes] | None]]) -> int:
    """The exit code of the process that is the cause, and its last words if they have not been seen.

    Which of two ended first cannot be told by looking at them in turns, so all get a moment to fail.
    """
    deadline = time.monotonic() + SETTLING_SECONDS
    while time.monotonic() < deadline and any(process.poll() is None for process, _ in started):
        time.sleep(0.05)
    codes = [process.poll() for process, _ in started]
    causes = [rank for rank, code in enumerate(codes) if code and code != LOST_CONTACT]
    if not causes:
        print("shape-audit: the processes of this run lost contact with each other", file=sys.stderr, flush=True)
        return int(ExitCode.INCOMPLETE)
    rank = causes[0]
    code, errors = codes[rank] or 0, started[rank][1]
    if errors is not None:
        errors.seek(0)
        words = errors.read().decode("utf-8", "replace").strip()
        said = words.splitlines()[-1].removeprefix("shape-audit: ") if words else f"ended by signal {-code}"
        print(f"shape-audit: process {rank} of {len(started)}: {said}", file=sys.stderr, flush=True)
    return code if code > 0 else 128 - code


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Leave no process behind."""
    for process in processes:
        if process.poll() is None:
            with suppress(OSError):
                process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
