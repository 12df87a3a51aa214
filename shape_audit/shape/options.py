"""Which shapes are suggested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from shape_audit.errors import UsageError
from shape_audit.records import Interval
from shape_audit.shape.hardware_sizes import LARGEST_HEAD, NEEDED, is_fused_head
from shape_audit.spec import Option, Spec

DEFAULT_TOP = 5
MOST_SHOWN = 1000
LARGEST_VOCABULARY = 10_000_000


@dataclass(frozen=True)
class SuggestOptions(Spec):
    """Which shapes are suggested for a number of parameters."""

    non_embedding: Annotated[bool, Option("The budget is without embedding and unembedding.", panel="Budget")] = False
    family: Annotated[
        str, Option("llama, mistral, qwen2, qwen3, gemma, gemma3_text, gpt2 or gpt_neox.", panel="Shapes")
    ] = "llama"
    vocab_size: Annotated[
        int | None,
        Option("Tokens, padded to a multiple of 64.", default="the family's", flags=("--vocab",), panel="Shapes"),
    ] = None
    head_dim: Annotated[
        int | None, Option("A multiple of 8.", default="128 or 64, whichever fits; gemma: 256 or 128", panel="Shapes")
    ] = None
    tied: Annotated[
        bool | None,
        Option(
            "Embedding and output matrix are one.",
            default="as the family at this size",
            flags=("--tied/--untied",),
            panel="Shapes",
        ),
    ] = None
    interval: Annotated[
        Path | Interval | None,
        Option(
            "Interval JSON of R_D/W to search.", metavar="FILE", default="shapes that cost at most 1 %", panel="Choice"
        ),
    ] = None
    goal: Annotated[
        Literal["tokens", "training-time", "decoding"],
        Option(
            "Order by loss at equal tokens, by loss at equal training time, or by blocks in a row.",
            flags=("--for",),
            panel="Choice",
        ),
    ] = "tokens"
    tolerance: Annotated[float, Option("How far a shape may miss the budget, as a fraction.", panel="Budget")] = 0.03
    top: Annotated[int, Option("Shapes to show.", panel="Choice")] = DEFAULT_TOP

    def check(self) -> None:
        if not 0 < self.tolerance < 1:
            raise UsageError(f"--tolerance must be a fraction between 0 and 1 (0.03 for 3 %), not {self.tolerance}")
        if not 1 <= self.top <= MOST_SHOWN:
            raise UsageError(f"--top must be between 1 and {MOST_SHOWN}, not {self.top}")
        if self.vocab_size is not None and not 1 <= self.vocab_size <= LARGEST_VOCABULARY:
            raise UsageError(f"--vocab must be between 1 and {LARGEST_VOCABULARY:,}, not {self.vocab_size}")
        if self.head_dim is not None and not is_fused_head(self.head_dim):
            raise UsageError(
                f"--head-dim must be a multiple of {NEEDED} up to {LARGEST_HEAD} (64 or 128), not {self.head_dim}"
            )
