"""A sweep's folder: what lies where, one run at a time, and the settings all its models share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.interval import SWEEP_TABLE
from shape_audit.records import (
    FolderLock,
    Precision,
    check_writable,
    read_small_file,
    write_bytes_atomically,
    write_text_atomically,
)
from shape_audit.sweep.bytes_data import SweepText
from shape_audit.sweep.options import SweepOptions

RECIPE = 2
"""Raised whenever equal options would train or measure otherwise: such models do not belong into one table."""
SHARED = ("family", "tolerance", "seq_len", "batch", "learning_rate", "seed", "eval_bytes",
          "windows")  # fmt: skip
"""Options in which the models of one table must not differ, beside the precision that was chosen, and the length where
there is one. There may be more budgets, depths, runs and further of several lengths later, another device and other
numbers of processes."""
SEVERAL = "several"


class OutputFolder:
    """The folder of one sweep.

    Attributes:
        table: one line a finished model.
        interval, figures: what the table comes to.
        models: Hub-style folders.
        records: of the audits.
        states: trainings under way.
        test_file: the test text, for audits.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path = Path(path)
        self.table = path / SWEEP_TABLE
        self.interval = path / "interval.json"
        self.figures = path / "figures"
        self.models = path / "models"
        self.records = path / "records"
        self.states = path / "states"
        self.test_file = path / "test.txt"
        self._settings = path / "sweep.json"
        self._lock = FolderLock(path, what=f"the sweep in {path}", option="--output")

    def lock(self) -> None:
        """Keep other runs away until `unlock`.

        Raises:
            IncompleteError: another run is at work there, or the folder cannot be made.
        """
        check_writable(self.path, what="a sweep", option="--output")
        self._lock.lock()

    def unlock(self) -> None:
        """Let others in."""
        self._lock.unlock()

    def settle(self, options: SweepOptions, text: SweepText, precision: Precision) -> None:
        """Write down what all models share, or compare it with what an earlier run has written down.

        Args:
            precision: what was chosen: `auto` may mean another on another machine.

        Raises:
            UsageError: an option is another than before; it is named.
            CorruptFileError: the file of settings is damaged.
            IncompleteError: it cannot be written.
        """
        settings = {
            "recipe": RECIPE,
            "precision": precision,
            "tokens_per_param": options.lengths[0] if len(options.lengths) == 1 else SEVERAL,
            **{name: getattr(options, name) for name in SHARED},
            **{f"{split}_sha256": digest for split, digest in text.sha256.items()},
        }
        is_new = not self._settings.exists()
        if not is_new:
            self._compare(settings)
        try:
            if not self._has_test_text(text):
                write_bytes_atomically(self.test_file, np.asarray(text.test).tobytes())
            if is_new:
                write_text_atomically(self._settings, json.dumps(settings, indent=1) + "\n")
        except OSError as error:
            raise IncompleteError(f"{self.path}: {error.strerror or error}; see --output") from error

    def _has_test_text(self, text: SweepText) -> bool:
        if not self.test_file.is_file():
            return False
        with self.test_file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == text.sha256["test"]

    def _compare(self, settings: Mapping[str, Any]) -> None:
        try:
            before = dict(json.loads(read_small_file(self._settings).decode("utf-8")))
        except (ValueError, TypeError) as error:
            raise CorruptFileError(f"{self._settings}: damaged; the sweep needs another --output") from error
        for name in {**before, **settings}:
            was, now = before.get(name), settings.get(name)
            if was == now:
                continue
            if name == "recipe":
                raise UsageError(f"{self.path}: its models were made by another version of `sweep run`; see --output")
            split = name.removesuffix("_sha256")
            if split != name:
                raise UsageError(f"{self.path}: --data has another {split} text than the models there were made with")
            raise UsageError(
                f"{self.path}: --{name.replace('_', '-')} was {was if was is not None else 'not given'} for the models "
                f"there, is {now if now is not None else 'not given'}; keep it, or take another --output"
            )
