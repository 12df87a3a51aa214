"""A run of experiments: its size, and results of finished pieces, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.reporting import ROOT, commit_of


@dataclass
class Run:
    """One experiment being run.

    Attributes:
        is_quick: toy sizes, that show that every step works and prove nothing.
        folder: where finished pieces are kept; None keeps none.
        deadline: of `time.monotonic`; no piece is begun after it.
        seconds: spent on finished pieces by earlier runs.
        commits: that kept pieces were made at.
    """

    is_quick: bool
    folder: Path | None = None
    deadline: float | None = None
    seconds: float = 0.0
    commits: set[str] = field(default_factory=set)

    def piece(self, name: str, settings: Mapping[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `make` gives, kept under its name for as long as the settings are the same.

        Raises:
            OutOfTime: it is not there, and the run's time is up.
        """
        path = None if self.folder is None else self.folder / f"{name}.json"
        if path is not None and path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["settings"] == json.loads(json.dumps(settings)):
                self.seconds += kept["seconds"]
                self.commits.add(kept["commit"])
                return dict(kept["result"])
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime
        started = time.monotonic()
        result = make()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = {
                "settings": settings,
                "seconds": time.monotonic() - started,
                "commit": commit_of(ROOT),
                "result": result,
            }
            unfinished = path.with_suffix(".new")
            unfinished.write_text(json.dumps(kept), encoding="utf-8")
            unfinished.replace(path)
        return result


class OutOfTime(Exception):
    """The run may not begin another piece."""
