"""Starting one audit as several processes on this machine by torch's elastic launcher, with the exit code kept.

accelerate's launcher and torchrun turn every failure of a child into 1; accelerate's starts one process on a CPU,
whatever it was asked for.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING

from shape_audit.errors import ExitCode, IncompleteError, MissingExtraError, UsageError, first_line
from shape_audit.escaping import on_a_line
from shape_audit.parallel.launched import LAUNCHED, LOST_CONTACT
from shape_audit.parallel.processes import SingleProcess

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

GRACE_SECONDS = 10
"""Once told to, how long a process may take to end."""
SETTLING_SECONDS = 2
"""Once another process has failed, how long one may take to fail too, for its own reason."""
LOOPBACK = "127.0.0.1"
LOOPBACK_SECONDS = 5
WATCH_SECONDS = 0.5
"""How often a process looks whether its launcher lives."""
_SAFELY = ("-I",) if sys.flags.isolated else ("-P",)
"""The working directory, which `-m` would put first on the import path, is no place for code; PYTHONPATH is, unless
this process does without it too."""
HANDLED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""Signals that the elastic launcher hands on to its processes."""


def launch(arguments: Sequence[str], processes: int) -> int:
    """Run `python -m shape_audit` with these arguments as several processes, and wait for them.

    What the first process says is the run's; of the others only the last line of the one that failed is shown.

    Returns:
        The exit code of the process that failed first for a reason of its own, else 0.

    Raises:
        UsageError: not a possible number of processes.
        MissingExtraError: torch is not installed.
        IncompleteError: a process could not be started, or they could not reach each other.
        KeyboardInterrupt: it was told to end, and so were its processes.
    """
    if processes < 1:
        raise UsageError(f"--num-processes must be at least 1, not {processes}")
    try:
        from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import LaunchConfig, elastic_launch
    except ImportError as error:
        raise MissingExtraError("--num-processes needs torch; pip install 'shape-audit[measure]'") from error
    _check_loopback()
    with TemporaryDirectory() as folder, _as_it_was(processes):
        logs = DefaultLogsSpecs(folder, redirects=dict.fromkeys(range(1, processes), Std.ALL) | {0: Std.NONE})
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, logs_specs=logs, run_id="shape-audit",
            rdzv_backend="c10d", rdzv_endpoint=f"{LOOPBACK}:0", local_addr=LOOPBACK, max_restarts=0,
            signals_to_handle=",".join(HANDLED), shutdown_timeout=GRACE_SECONDS,
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)(*_SAFELY, "-m", "shape_audit", *arguments)
        except ChildFailedError as error:
            return exit_code_of(error.failures, processes, Path(folder))
        except SignalException as error:
            raise KeyboardInterrupt from error
        except (OSError, RuntimeError) as error:
            raise IncompleteError(f"the processes could not be started ({first_line(error)})") from error
    return 0


def _check_loopback() -> None:
    """Find out now what the processes would wait for minutes to find out.

    Raises:
        IncompleteError: this machine cannot reach itself.
    """
    try:
        with (
            socket.create_server((LOOPBACK, 0)) as server,
            socket.create_connection(server.getsockname(), timeout=LOOPBACK_SECONDS),
        ):
            pass
    except OSError as error:
        raise IncompleteError(
            f"--num-processes needs this machine's own network, and {LOOPBACK} does not answer "
            f"({error.strerror or error}); leave it out to run as one process"
        ) from error


def end_with_launcher() -> None:
    """In a process that `launch` has started: end when the launcher does, even when that was killed.

    The elastic launcher tells all processes to end (SIGTERM) as soon as one has failed. Which of two fails first is
    chance, so this one gets a moment to say what it would have said.
    """
    launcher = os.environ.get(LAUNCHED)
    if launcher is None:
        return

    def watch() -> None:
        while os.getppid() == int(launcher):
            time.sleep(WATCH_SECONDS)
        os._exit(ExitCode.INTERRUPTED)

    signal.signal(signal.SIGTERM, lambda *_: signal.setitimer(signal.ITIMER_REAL, SETTLING_SECONDS))
    Thread(target=watch, daemon=True).start()


def check_launched(requested: int, processes: SingleProcess) -> None:
    """Refuse to go on with another number of processes than was asked for.

    Raises:
        UsageError: a launcher has started another number.
    """
    if processes.size != requested:
        raise UsageError(f"--num-processes {requested}: the launcher has started {processes.size}")


@contextmanager
def _as_it_was(processes: int) -> Iterator[None]:
    """What the elastic launcher changes or says in this process: put back, and not shown."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // processes))
    before, handlers = dict(os.environ), {name: signal.getsignal(getattr(signal, name)) for name in HANDLED}
    logger = logging.getLogger("torch.distributed.elastic")
    quiet = logging.NullHandler()
    os.environ |= {LAUNCHED: str(os.getpid()), "OMP_NUM_THREADS": threads}
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(quiet)
    try:
        yield
    finally:
        logger.removeHandler(quiet)
        logger.propagate = propagated
        for name, handler in handlers.items():
            with suppress(ValueError, TypeError):  # in another thread, or not set by Python
                signal.signal(getattr(signal, name), handler)
        os.environ.clear()
        os.environ.update(before)


def exit_code_of(failures: Mapping[int, ProcessFailure], processes: int, folder: Path) -> int:
    """The exit code of the process that is the cause, and its last words if they have not been seen.

    Failures come in the order in which they were noticed; those after the first may be of processes that were ended.
    """
    codes = {rank: failure.exitcode for rank, failure in failures.items()}
    ended = (LOST_CONTACT, ExitCode.INTERRUPTED, -signal.SIGTERM)
    cause = next(iter(codes))
    if codes[cause] == LOST_CONTACT:
        cause = next((rank for rank, code in codes.items() if code not in ended), cause)
    code = codes[cause]
    if code == LOST_CONTACT:
        _say("the processes of this run lost contact with each other")
        return int(ExitCode.INCOMPLETE)
    if code < 0:
        _say(f"process {cause} of {processes}: ended by signal {-code}")
        return 128 - code
    if codes.get(0) != code:  # else the first process has said the same
        words = next(folder.glob(f"*/attempt_0/{cause}/stderr.log")).read_text("utf-8", "replace").split("\n")
        last = next((line for line in reversed(words) if line.strip()), f"exit code {code}")
        _say(f"process {cause} of {processes}: {last.strip().removeprefix('shape-audit: ')}")
    return code


def _say(line: str) -> None:
    print(f"shape-audit: {on_a_line(line)}", file=sys.stderr, flush=True)
