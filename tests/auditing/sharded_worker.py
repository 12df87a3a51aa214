"""One process of several: runs the audits named in a JSON file, and the first process writes what they found.

Started by tests/auditing/test_processes.py as real processes that meet over gloo; not a test itself. torchrun starts it
as a module, and `joins` makes a forked process what torchrun would have made it.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import shape_audit
from shape_audit.auditing.progress import Silent
from shape_audit.parallel import processes_of_run


class KilledAt(Silent):
    """The process is killed once so many windows are done."""

    def __init__(self, windows: int) -> None:
        self.at = windows

    def windows(self, done: int, total: int, tokens: int) -> None:
        if done >= self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def run(model: str, partial: str | None = None, kill_at: int | None = None, **options: Any) -> shape_audit.AuditRecord:
    folder = Path(partial) if partial else None
    return shape_audit.audit(model, partial=folder, progress=KilledAt(kill_at) if kill_at else None, **options)


def joins(settings: dict[str, str], *files: str) -> None:
    """In a process that was just forked: one of several.

    Args:
        settings: what a launcher tells it.
    """
    import torch

    torch.set_num_threads(1)
    os.environ |= settings
    work(*map(Path, files))


def work(jobs: Path, found: Path) -> None:
    records = [run(**job) for job in json.loads(jobs.read_text())]
    if processes_of_run().is_first:
        found.write_text(json.dumps([record.model_dump(mode="json") for record in records]))


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
