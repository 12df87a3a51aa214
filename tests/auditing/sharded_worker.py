"""One process of several: runs the audits named in a JSON file, and the first process writes what they found.

Started by tests/auditing/test_processes.py as real processes that meet over gloo; not a test itself.
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


if __name__ == "__main__":
    jobs, output = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    records = [run(**job) for job in jobs]
    if processes_of_run().is_first:
        output.write_text(json.dumps([record.model_dump(mode="json") for record in records]))
