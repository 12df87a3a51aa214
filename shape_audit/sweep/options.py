"""Everything a sweep can be told, with its defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from shape_audit.cluster import ClusterOptions
from shape_audit.errors import UsageError
from shape_audit.shape import family_named, parse_budget
from shape_audit.spec import Option, Spec

MOST_MODELS = 10_000

Several = str | int | Sequence[str | int]
Lengths = str | float | Sequence[str | float]


@dataclass(frozen=True)
class SweepOptions(Spec):
    """What to train and how; equal options on equal machines give equal tables.

    Attributes:
        params, depths, tokens_per_param: several in a list, or with commas between them.
        output: None only where nothing is trained.
    """

    params: Annotated[Several, Option("Parameter budgets: 300k,1m.", metavar="LIST", panel="Shapes")]
    depths: Annotated[Several, Option("Numbers of layers: 1,2,3,4,6,8,12,16.", metavar="LIST", panel="Shapes")]
    data: Annotated[
        str,
        Option(
            "Folder with train.txt, validation.txt and test.txt (or .txt.xz); one .txt, split 90/5/5 by position; or "
            "builtin:python-docs.",
            metavar="PATH",
            panel="Text",
        ),
    ]
    output: Annotated[
        Path | None,
        Option(
            "Folder of table.csv, models/ and records/. An interrupted run resumes there.",
            metavar="DIR",
            flags=("--output", "-o"),
            panel="Output",
        ),
    ] = None
    tokens_per_param: Annotated[
        Lengths,
        Option(
            "Bytes to predict in training, for each parameter of the budget. One length is trained with a cosine; of "
            "several (1,3,10) each leaves one trunk a shape and seed by a decay of its own.",
            metavar="LIST",
            panel="Training",
        ),
    ] = "60"
    runs: Annotated[int, Option("Models of each shape, with seeds SEED, SEED + 1 ...", at_least=1, panel="Shapes")] = 1
    seed: Annotated[int, Option("Random seed for initial weights and batches.", panel="Training")] = 0
    family: Annotated[
        str, Option("llama, mistral, qwen2, qwen3, gemma, gemma3_text, gpt2 or gpt_neox.", panel="Shapes")
    ] = "llama"
    tolerance: Annotated[float, Option("How far a shape may miss its budget, as a fraction.", panel="Advanced")] = 0.03
    seq_len: Annotated[int, Option("Bytes per window, in training and measuring.", at_least=1, panel="Text")] = 256
    batch: Annotated[int, Option("Windows per training step, over all processes.", at_least=1, panel="Training")] = 32
    learning_rate: Annotated[
        float | None, Option("Peak learning rate for every width.", default="by width", panel="Training")
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], Option("Where to train and measure.", panel="Hardware")
    ] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Option(
            "Precision of matrix products in training; auto is bfloat16 where the hardware has it.", panel="Training"
        ),
    ] = "auto"
    eval_bytes: Annotated[
        int | None,
        Option("Most bytes of test and validation text to evaluate.", default="all", at_least=1, panel="Text"),
    ] = None
    windows: Annotated[
        int, Option("Windows of the test text for the interaction profiles.", at_least=1, panel="Measurement")
    ] = 256
    save_seconds: Annotated[
        float, Option("Seconds after which a training is saved again.", at_least=0, panel="Advanced")
    ] = 60.0
    cluster: ClusterOptions = field(default_factory=ClusterOptions)

    def check(self) -> None:
        if self.cluster.uses_ray and self.precision == "auto":
            raise UsageError("--engine ray: what hardware workers have is not known here; give --precision")
        if self.eval_bytes is not None and self.eval_bytes <= self.seq_len:
            raise UsageError(
                f"--eval-bytes {self.eval_bytes}: less than a window of --seq-len {self.seq_len} and its target"
            )
        if not 0 <= self.seed < 2**32 - self.runs:
            raise UsageError(f"--seed must be a whole number from 0 to 2^32, not {self.seed}")
        if not 0 < self.tolerance < 1:
            raise UsageError(f"--tolerance must be a fraction between 0 and 1 (0.03 for 3 %), not {self.tolerance:g}")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise UsageError(f"--learning-rate must be between 0 and 1, not {self.learning_rate:g}")
        family_named(self.family)
        if len(self.budgets) * len(self.layers) * len(self.lengths) * self.runs > MOST_MODELS:
            raise UsageError(f"--params, --depths, --tokens-per-param and --runs make more than {MOST_MODELS:,} models")

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
    def lengths(self) -> tuple[float, ...]:
        """The bytes to predict for each parameter, each once, in ascending order."""
        found = set()
        for length in _several(self.tokens_per_param, "--tokens-per-param"):
            try:
                value = float(length)
            except ValueError:
                value = math.nan
            if not 0 < value <= 1e6:
                raise UsageError(f"--tokens-per-param must be more than 0 and at most 1e6, not {str(length)[:40]}")
            found.add(float(f"{value:g}"))  # as the names of models have it
        return tuple(sorted(found))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.seed, self.seed + self.runs))


def _several(value: Several | Lengths, option: str) -> list[str | float]:
    """The members of a list, or of a text with commas."""
    if isinstance(value, str):
        members: list[str | float] = [part.strip() for part in value.split(",") if part.strip()]
    else:
        members = [value] if isinstance(value, int | float) else list(value)
    if not members:
        raise UsageError(f"{option}: nothing is named")
    return members
