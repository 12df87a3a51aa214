"""Everything an audit can be told, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shape_audit.errors import UsageError
from shape_audit.hub import DEFAULT_RETRIES
from shape_audit.interaction import PROTOCOL_NAMES, protocol_names
from shape_audit.models import parse_device_map, parse_max_memory
from shape_audit.scores import ScoreOptions

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")
ATTENTION = (None, "sdpa", "eager")
DEFAULT_DATASET = "builtin:python-docs"
DEFAULT_SEQ_LEN = 256
DEFAULT_WINDOWS = 64
DEFAULT_MAX_WINDOWS = 1024


@dataclass(frozen=True)
class AuditOptions:
    """How to audit; equal options on equal inputs give equal numbers.

    Attributes:
        shape_only: no gradients: no torch, no weights.
        subfolder: where the model lies inside its repository or folder.
        variant: of the weight files: `fp16` for model.fp16.safetensors.
        interval: JSON file of the interval to place against; None for the shipped one.
        dataset: `builtin:python-docs`, a .txt, .jsonl or .parquet file, or `org/name[:config][@revision]` on the Hub.
        text_column: of a table; None for `text`.
        split: of a Hub dataset; None for `test`, else the only one.
        seq_len: inputs of a window (default 256); with `windows_file` the file's own.
        windows: how many (default 64); with `windows_file` all of the file's.
        tolerance: take windows until the half-width of the AOFE-ratio's interval is below it at every site.
        max_windows: at most so many (default 1024, or what the text holds); only with `tolerance`.
        passage_bytes: length of a slot; None for 12 * seq_len.
        windows_file: windows to replay instead of cutting a text.
        save_windows: where to write the windows used.
        protocol: loss-gradient, output-gradient, projected-output, or one that an installed package adds.
        sites: all, embedding, or a comma-separated list.
        spectrum: how many of the largest eigenvalues of G to report at every site.
        nfa: also the weights' own interaction and the Neural Feature Ansatz, beside re-initialised models. It uses
            loss gradients whatever the protocol, and leaves all other numbers, and the protocol's hash, as they are.
        attn_implementation: sdpa or eager; None for what transformers chooses.
        micro_batch: windows a forward; None chooses by memory.
        device_map: auto, balanced, cpu, disk, or a JSON file module -> device: weights spread over GPUs, CPU memory
            and disk, instead of all on one device. None for that.
        max_memory: how much of each memory weights may take, `cuda:0=20GiB,cpu=4GiB`; with auto and balanced.
        scores: result files or folders of lm-eval to look for scores of the model in.
        posted: look for scores posted in a Hub model's repository.
        score: run MMLU-Pro with lm-eval too, with these options; None runs nothing.
        runs: folder with what `score` has saved before; None looks at none.
        retries: how often to try again after a passing fault of the network.
        records: folder the record is written to; None writes none.
        partial: folder for partial sums, from which a run that was killed goes on; None keeps none.
        save_every: windows after which partial sums are saved (and at 16, 32, 64 ...).
        resume: whether to go on from partial sums that are there.
    """

    shape_only: bool = False
    subfolder: str | None = None
    variant: str | None = None
    interval: Path | None = None
    dataset: str = DEFAULT_DATASET
    text_column: str | None = None
    split: str | None = None
    seq_len: int | None = None
    windows: int | None = None
    tolerance: float | None = None
    max_windows: int | None = None
    seed: int = 0
    passage_bytes: int | None = None
    windows_file: Path | None = None
    save_windows: Path | None = None
    protocol: str = PROTOCOL_NAMES[0]
    sites: str = "all"
    spectrum: int | None = None
    nfa: bool = False
    device: str = "auto"
    dtype: str = "auto"
    attn_implementation: str | None = None
    micro_batch: int | None = None
    device_map: str | None = None
    max_memory: str | None = None
    scores: tuple[Path, ...] = ()
    posted: bool = True
    score: ScoreOptions | None = None
    runs: Path | None = None
    retries: int = DEFAULT_RETRIES
    records: Path | None = None
    partial: Path | None = None
    save_every: int = 32
    resume: bool = True

    def __post_init__(self) -> None:
        for name in ("seq_len", "windows", "max_windows", "passage_bytes", "spectrum", "micro_batch", "save_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
        if self.retries < 0:
            raise UsageError(f"--retries must be at least 0, not {self.retries}")
        choices = (
            ("device", DEVICES),
            ("dtype", DTYPES),
            ("protocol", PROTOCOL_NAMES if self.protocol in PROTOCOL_NAMES else protocol_names()),
            ("attn_implementation", ATTENTION),
        )
        for name, allowed in choices:
            if getattr(self, name) not in allowed:
                there = ", ".join(choice for choice in allowed if choice)
                raise UsageError(f"--{name.replace('_', '-')} must be one of {there}, not {getattr(self, name)}")
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            raise UsageError(f"--tolerance must be between 0 and 1 (0.01 is a good one), not {self.tolerance}")
        if self.tolerance is not None and self.windows is not None:
            raise UsageError("--tolerance decides how many windows it takes; leave out --windows, or see --max-windows")
        if self.tolerance is None and self.max_windows is not None:
            raise UsageError("--max-windows goes with --tolerance; --windows gives a fixed number")
        if self.protocol == "projected-output" and self.sites != "all":
            raise UsageError("--protocol projected-output measures the output; leave out --sites")
        if self.protocol == "projected-output" and self.attn_implementation == "sdpa":
            raise UsageError("--protocol projected-output needs eager attention: forward mode fails under sdpa")
        if self.windows_file is not None and (self.windows is not None or self.passage_bytes is not None):
            raise UsageError("--windows-file brings its own windows; leave out --windows and --passage-bytes")
        if self.windows_file is not None and (
            self.dataset != DEFAULT_DATASET or self.text_column or self.split or self.seed
        ):
            raise UsageError("--windows-file brings its own text; leave out --dataset, --text-column, --split, --seed")
        if self.device_map is not None:
            parse_device_map(self.device_map)
        if self.max_memory is not None:
            parse_max_memory(self.max_memory)
            if self.device_map not in ("auto", "balanced"):
                raise UsageError("--max-memory goes with --device-map auto or balanced")
        if self.device_map is not None and self.device == "mps":
            raise UsageError("--device-map spreads weights over CUDA GPUs, CPU memory and disk; leave out --device mps")
        if self.device_map is not None and self.protocol == "projected-output":
            raise UsageError("--protocol projected-output needs all weights on one device; leave out --device-map")
        if self.device_map is not None and self.nfa:
            raise UsageError(
                "--nfa needs the model and a re-initialised one in memory; leave out --device-map or --nfa"
            )
        measured = (
            self.windows_file, self.save_windows, self.tolerance, self.spectrum, self.nfa, self.sites != "all",
            self.device_map,
        )  # fmt: skip
        if self.shape_only and any(measured):
            raise UsageError(
                "--shape-only measures nothing; leave out --windows-file, --save-windows, --tolerance, --spectrum, "
                "--nfa, --sites and --device-map"
            )
