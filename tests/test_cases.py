"""Inputs that people really have, with what shape-audit must say of them: ../shared/cases, which is not part of the
project. One test a domain; `../shared/cases/run NAME` runs single cases."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from tests.forked import Forks

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"
CALLER = """#!{python} -IS
import json, os, sys
names = {{name: f"/proc/{{os.getpid()}}/fd/{{number}}" for number, name in enumerate(("in", "out", "err"))}}
asked = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd(), **names}}
with open({asked!r}, "w") as pipe:
    pipe.write(json.dumps(asked) + "\\n")
with open({answered!r}) as pipe:
    sys.exit(int(pipe.readline()))
"""
"""What stands for the program: it has the warm one run, on its own streams."""


@pytest.fixture
def called(forks: Forks, tmp_path: Path) -> Iterator[Path]:
    """A file that runs shape-audit without its imports, for those who start it some hundred times."""
    asked, answered, caller = (tmp_path / name for name in ("asked", "answered", "shape-audit"))
    os.mkfifo(asked)
    os.mkfifo(answered)
    caller.write_text(CALLER.format(python=sys.executable, asked=str(asked), answered=str(answered)))
    caller.chmod(0o755)

    def serve() -> None:
        while line := asked.read_text():
            answered.write_text(f"{forks.wait(forks.start(json.loads(line)))}\n")

    Thread(target=serve, daemon=True).start()  # which would wait for a caller that was killed
    yield caller
    with suppress(OSError):
        os.close(os.open(asked, os.O_WRONLY | os.O_NONBLOCK))  # nothing is asked for any more


@pytest.mark.parametrize("domain", ["shapes", "scores"])
def test_every_case_of_a_domain_is_answered_right(domain: str, called: Path) -> None:
    if not (CASES / "run").is_file():
        pytest.skip("the cases (../shared/cases) are not at hand")
    done = subprocess.run(
        [sys.executable, "-B", CASES / "run", "--shape-audit", called, domain], capture_output=True, text=True
    )
    failed = [line for line in done.stdout.splitlines() if not line.startswith("PASS")]
    assert done.returncode == 0, "\n".join([*failed, done.stderr])
