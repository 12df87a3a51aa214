"""Which windows of which text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from shape_audit.errors import UsageError
from shape_audit.spec import Option, Spec

DEFAULT_DATASET = "builtin:python-docs"
DEFAULT_SEQ_LEN = 256
DEFAULT_WINDOWS = 64
DEFAULT_MAX_WINDOWS = 1024


@dataclass(frozen=True)
class WindowOptions(Spec):
    """Which text windows are cut from, how long and how many they are."""

    dataset: Annotated[
        str,
        Option(
            "Calibration text: builtin:python-docs; a .txt, .jsonl, .csv, .tsv or .parquet file, or a folder of them; "
            "or org/name[:config][@revision] on the Hub.",
            panel="Text",
            manifest=True,
        ),
    ] = DEFAULT_DATASET
    text_column: Annotated[
        str | None, Option("Text column of a table.", default="text", panel="Text", manifest=True)
    ] = None
    split: Annotated[
        str | None, Option("Split of a Hub dataset.", default="test, else the only one", panel="Text", manifest=True)
    ] = None
    seq_len: Annotated[
        int | None,
        Option("Input tokens per window.", default=f"{DEFAULT_SEQ_LEN}", at_least=1, panel="Text", manifest=True),
    ] = None
    windows: Annotated[
        int | None, Option("Number of windows.", default=f"{DEFAULT_WINDOWS}", at_least=1, panel="Text", manifest=True)
    ] = None
    tolerance: Annotated[
        float | None,
        Option(
            "Take windows until the 95 % interval of the AOFE-ratio has this half-width or less at every site.",
            panel="Text",
            manifest=True,
        ),
    ] = None
    max_windows: Annotated[
        int | None,
        Option(
            "With --tolerance, the most windows to take.",
            default=f"{DEFAULT_MAX_WINDOWS}, or what the text holds",
            at_least=1,
            panel="Text",
            manifest=True,
        ),
    ] = None
    seed: Annotated[int, Option("Random seed for the order of windows.", panel="Text", manifest=True)] = 0
    passage_bytes: Annotated[
        int | None,
        Option(
            "Bytes of text a window may draw on.", default="12 x seq-len", at_least=1, panel="Advanced", manifest=True
        ),
    ] = None
    windows_file: Annotated[Path | None, Option("Replay windows from a file.", metavar="FILE", panel="Advanced")] = None
    save_windows: Annotated[Path | None, Option("Write the windows used.", metavar="FILE", panel="Advanced")] = None

    def check(self) -> None:
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            raise UsageError(f"--tolerance must be between 0 and 1 (0.01 is a good one), not {self.tolerance}")
        if self.tolerance is not None and self.windows is not None:
            raise UsageError("--tolerance decides how many windows it takes; leave out --windows, or see --max-windows")
        if self.tolerance is None and self.max_windows is not None:
            raise UsageError("--max-windows goes with --tolerance; --windows gives a fixed number")
        if self.windows_file is not None and (self.windows is not None or self.passage_bytes is not None):
            raise UsageError("--windows-file brings its own windows; leave out --windows and --passage-bytes")
        if self.windows_file is not None and (
            self.dataset != DEFAULT_DATASET or self.text_column or self.split or self.seed
        ):
            raise UsageError("--windows-file brings its own text; leave out --dataset, --text-column, --split, --seed")

    @property
    def length(self) -> int:
        """Input tokens per window, of windows that are cut from a text."""
        return self.seq_len or DEFAULT_SEQ_LEN

    @property
    def most(self) -> int:
        """The most windows there may be, of a text that holds enough."""
        if self.tolerance is not None:
            return self.max_windows or DEFAULT_MAX_WINDOWS
        return self.windows or DEFAULT_WINDOWS
