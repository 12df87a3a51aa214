"""Inputs that people really have, with what shape-audit must say of them: ../shared/cases, which is not part of the
project. One test a domain; `../shared/cases/run NAME` runs single cases."""

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"


@pytest.mark.parametrize("domain", ["shapes", "scores"])
def test_every_case_of_a_domain_is_answered_right(domain: str) -> None:
    if not (CASES / "run").is_file():
        pytest.skip("the cases (../shared/cases) are not at hand")
    program = Path(sys.executable).with_name("shape-audit")
    done = subprocess.run(
        [sys.executable, "-B", CASES / "run", "--shape-audit", program, domain], capture_output=True, text=True
    )
    failed = [line for line in done.stdout.splitlines() if not line.startswith("PASS")]
    assert done.returncode == 0, "\n".join([*failed, done.stderr])
