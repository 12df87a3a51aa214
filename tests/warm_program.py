"""shape-audit in processes that need not import torch again: forked from one that has (tests/warm_start.py).

For tests of what the program does. Where the process itself is under test (its start, what it imports, from where, what
signals do to it), a process of its own is started.

Two thirds of a start can be had for all: nothing in PRELOADED reads the settings of the Hub's clients, which each call
brings along. The clients read them as they are imported; an environment whose programs have taken as long as that takes
gets a process forked from here that has imported these too, and forks from then on. So tests give few environments: see
`tests/conftest.py`.

Reads JSON lines: {"arguments", "environment", "folder", "in", "out", "err", "hooks"}, to which the answer is the id of
the process that has been started, and {"wait": id}, to which it is the exit code. `tests/forked.py` writes them.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import IO, Any
from weakref import finalize

from tests.moments import HOOKS
from tests.processes import ends_with_parent

PRELOADED = (
    "torch._dynamo", "torch.distributed.checkpoint", "torch.onnx", "scipy.stats", "sklearn.metrics", "pandas",
    "statsmodels.regression.linear_model",
    "pyarrow.parquet", "tokenizers", "safetensors.torch", "regex", "jinja2", "aiohttp", "requests", "httpx2",
    "PIL.Image", "tabulate", "shape_audit.cli.app", "shape_audit.records", "shape_audit.hub", "shape_audit.shape",
    "shape_audit.interval", "shape_audit.yardsticks", "shape_audit.reports", "shape_audit.auditing",
    "shape_audit.checks", "shape_audit.leaderboard", "shape_audit.cli.commands.audit", "shape_audit.cli.commands.check",
    "shape_audit.cli.commands.scores",
)  # fmt: skip
CLIENTS = (
    "huggingface_hub.hf_api", "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama", "transformers.conversion_mapping", "accelerate", "datasets",
    "shape_audit.hub.hub_files", "shape_audit.auditing.measurement", "shape_audit.interaction.profile",
    "shape_audit.embeddings.of_checkpoint",
)  # fmt: skip
"""Other packages that use the clients are not imported: whether transformers finds them is under test."""
WORTH, AT_ONCE = 5.0, 3
"""CPU seconds that an environment's programs have taken before it gets a process; how many have one."""
READ_LATER = ("HF_TOKEN", "SHAPE_AUDIT_", "COLUMNS", "NO_COLOR", "TERMINAL_WIDTH")
"""Settings that no client reads as it is imported."""


def loaded(names: Iterable[str]) -> None:
    for name in names:
        with suppress(ImportError):
            import_module(name)
    with suppress(ImportError):
        used_once()
    for one in list(finalize._registry):  # type: ignore[attr-defined]
        one.atexit = False  # what torch has registered takes half of a short program's time, and ends with it anyway
    gc.freeze()  # or every collection in a child would copy all pages


def used_once() -> None:
    """Read a model, and look through the installed packages: forms of records, regular expressions and tables are then
    worked out. The rules of `check` are not collected: a test may bring a package that adds some."""
    from shape_audit.cli import main
    from shape_audit.hub.builtin_models import builtin_folder
    from shape_audit.plugins import RULES, plugins

    command = ["audit", "--shape-only", str(builtin_folder("bytes-1m")), "--records"]
    with (
        TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere), redirect_stderr(nowhere),
    ):  # fmt: skip
        assert main([*command, folder]) == 0
        plugins(RULES)


def become_program(asked: dict[str, Any], environment: dict[str, str]) -> None:
    """Never returns."""
    for number, name in enumerate(("in", "out", "err")):
        opened = os.open(asked[name], os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(asked["folder"])
    take(environment)
    if asked.get("hooks"):
        os.environ |= asked["hooks"]
        run_path(str(HOOKS / "sitecustomize.py"))
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["shape-audit", *asked["arguments"]]
    from shape_audit.cli import program

    program()


def take(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def forked(work: Callable[[], None]) -> int:
    """The id of a process that does it."""
    process = os.fork()
    if not process:
        try:
            ends_with_parent()
            work()
        finally:
            os._exit(70)
    return process


class WithClients:
    """A process that has the clients loaded, in one environment."""

    def __init__(self, environment: dict[str, str]) -> None:
        (asked, self._ask), (self._answer, answer) = os.pipe(), os.pipe()

        def serve() -> None:
            os.close(self._ask)
            os.close(self._answer)
            take(environment)
            loaded(CLIENTS)
            sys.modules["transformers.conversion_mapping"].get_checkpoint_conversion_mapping("llama")  # of all types
            with os.fdopen(asked) as lines:
                answer_all(lines, answer, is_final=True)

        self._process = forked(serve)
        os.close(asked)
        os.close(answer)

    def answer(self, line: str) -> int:
        os.write(self._ask, line.encode())
        answer = os.read(self._answer, 100)
        assert answer, "the process with the clients has ended"
        return int(answer)

    def end(self) -> None:
        os.close(self._ask)
        os.close(self._answer)
        os.kill(self._process, signal.SIGKILL)  # a process forked later holds its pipe too
        os.waitpid(self._process, 0)


def answer_all(lines: IO[str], answers: int, *, is_final: bool) -> None:
    """Start what is asked for, here or, if this is not final, in a process that has the clients loaded."""
    taken: defaultdict[str, float] = defaultdict(float)
    others: dict[str, WithClients] = {}
    started: dict[int, WithClients] = {}  # which programs are whose
    here: dict[int, str] = {}  # of which environment those are that were started here
    for line in lines:
        asked = json.loads(line)
        if "wait" in asked:
            process = asked["wait"]
            if process in started:
                answer = started.pop(process).answer(line)
            else:
                _, status, used = os.wait4(process, 0)
                taken[here.pop(process)] += used.ru_utime + used.ru_stime
                answer = os.waitstatus_to_exitcode(status)
        else:
            environment: dict[str, str] = asked["environment"]
            read = {name: value for name, value in environment.items() if not name.startswith(READ_LATER)}
            key = json.dumps(read, sort_keys=True)
            if not is_final and taken[key] >= WORTH:
                other = others[key] = others.pop(key, None) or WithClients(environment)  # the last used stands last
                answer = other.answer(line)
                started[answer] = other
                idle = [key for key, one in others.items() if one not in started.values()]
                if len(others) > AT_ONCE and idle:
                    others.pop(idle[0]).end()
            else:
                answer = forked(lambda asked=asked, environment=environment: become_program(asked, environment))
                here[answer] = key
        os.write(answers, f"{answer}\n".encode())
