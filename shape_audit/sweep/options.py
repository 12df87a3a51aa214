"""Everything a sweep can be told, with its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shape_audit.errors import UsageError
from shape_audit.shape import family_named, parse_budget

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16")
MOST_MODELS = 10_000

Several = str | int | Sequence[str | int]


@dataclass(frozen=True)
class SweepOptions:
    """What to train and how; equal options on equal machines give equal tables.

    Attributes:
        params: budgets, as 300k or 1.2m; several in a list, or with commas between them.
        depths: numbers of layers, likewise.
        data: a folder with train.txt, validation.txt, test.txt (each may be .txt.xz), one .txt file, or
            `builtin:python-docs`.
        output: folder of the table, models and records; None only where nothing is trained.
        tokens_per_param: bytes to predict in training, for each parameter of the budget.
        runs: models a shape, of the seeds `seed`, `seed` + 1 ...
        family: name of a family that `suggest` knows.
        tolerance: how far a shape may miss its budget, as a fraction of it.
        seq_len: bytes a window, in training and in every measurement; also the models' positions.
        batch: windows a step, over all processes.
        learning_rate: the peak for every width; None for `recipe.learning_rate_of`.
        precision: float32 or bfloat16 of the matrix products; auto takes bfloat16 where the hardware has it.
        eval_bytes: of the test and of the validation text, at most so many from the start; None for all.
        windows: of the test text, for the interaction profiles.
        save_seconds: after how long a training is saved again, to go on from.
    """

    params: Several
    depths: Several
    data: str
    output: str | Path | None = None
    tokens_per_param: float = 60.0
    runs: int = 1
    seed: int = 0
    family: str = "llama"
    tolerance: float = 0.03
    seq_len: int = 256
    batch: int = 32
    learning_rate: float | None = None
    device: str = "auto"
    precision: str = "auto"
    eval_bytes: int | None = None
    windows: int = 256
    save_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("runs", "seq_len", "batch", "windows", "eval_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
        if self.eval_bytes is not None and self.eval_bytes <= self.seq_len:
            raise UsageError(
                f"--eval-bytes {self.eval_bytes}: less than a window of --seq-len {self.seq_len} and its target"
            )
        if not 0 <= self.seed < 2**32 - self.runs:
            raise UsageError(f"--seed must be a whole number from 0 to 2^32, not {self.seed}")
        if not 0 < self.tokens_per_param <= 1e6:
            raise UsageError(f"--tokens-per-param must be more than 0 and at most 1e6, not {self.tokens_per_param:g}")
        if not 0 < self.tolerance < 1:
            raise UsageError(f"--tolerance must be a fraction between 0 and 1 (0.03 for 3 %), not {self.tolerance:g}")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise UsageError(f"--learning-rate must be between 0 and 1, not {self.learning_rate:g}")
        if not self.save_seconds >= 0:
            raise UsageError(f"--save-seconds must be at least 0, not {self.save_seconds:g}")
        for name, allowed in (("device", DEVICES), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise UsageError(f"--{name} must be one of {', '.join(allowed)}, not {getattr(self, name)}")
        family_named(self.family)
        if len(self.budgets) * len(self.layers) * self.runs > MOST_MODELS:
            raise UsageError(f"--params, --depths and --runs make more than {MOST_MODELS:,} models")

    @property
    def budgets(self) -> tuple[int, ...]:
        """The budgets in parameters, each once, in ascending order."""
        return tuple(sorted({parse_budget(one) for one in _several(self.params, "--params")}))

    @property
    def layers(self) -> tuple[int, ...]:
        """The depths, each once, in ascending order."""
        depths = _several(self.depths, "--depths")
        for depth in depths:
            if not str(depth).isdecimal() or not 1 <= int(depth) <= 1000:
                raise UsageError(f"--depths {str(depth)[:40]}: it must be numbers of layers, 1 to 1,000, as 1,2,4,8")
        return tuple(sorted({int(depth) for depth in depths}))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.seed, self.seed + self.runs))


def _several(value: Several, option: str) -> list[str | int]:
    """The members of a list, or of a text with commas."""
    if isinstance(value, str):
        members: list[str | int] = [part.strip() for part in value.split(",") if part.strip()]
    else:
        members = [value] if isinstance(value, int | float) else list(value)
    if not members:
        raise UsageError(f"{option}: nothing is named")
    return members
