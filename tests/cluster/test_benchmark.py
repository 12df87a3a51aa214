"""The benchmark of Ray runs, at toy size; on clusters of its own, so in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra cluster is not installed")

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "cluster.py"


@pytest.mark.long
def test_it_compares_and_crowds() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "1 audits of 16 windows" in done.stdout and "20 stand-ins" in done.stdout
