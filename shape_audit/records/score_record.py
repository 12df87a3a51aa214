"""One score of one model, with all that decides what it may be compared with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shape_audit.records.frozen import Frozen

Provider = Literal["run", "import", "posted", "published"]
SAME_SCORE = 1e-6
"""Accuracies that differ by no more are one: tables have six decimals, result files all digits."""


class AmongSize(Frozen):
    """A score beside what models of its size reach; see `linking.among_size`."""

    expected: float
    """Accuracy that a straight line in log10 parameters gives at this size."""
    residual: float
    """The score minus that."""
    spread: float
    """Standard deviation of the other models about the line."""
    n: int
    """Models the line was fitted to."""
    params_range: tuple[float, float]
    """Their least and most parameters allowed."""
    kind: Literal["base", "instruct"]
    """What they are."""


class ScoreRecord(Frozen):
    """A score without its protocol is not a score."""

    model: str
    """As its source names it; of a folder, the folder's name. With `+peft=...`, `+load_in_4bit` and the like where
    other weights than the model's own were run."""
    revision: str | None
    """Commit sha, or fingerprint of a folder, where the source says it; else the branch or tag that was run, where it
    was not the default one."""
    subfolder: str | None = None
    """Where in its repository the model lies; null for its root."""
    variant: str | None = None
    """Weight-file variant, such as fp16; null for the plain one."""
    benchmark: Literal["mmlu-pro"] = "mmlu-pro"
    protocol: str
    """See `scores.protocols`; only scores of equal protocol may be compared."""
    value: Annotated[float, Field(ge=0, le=1)]
    """Accuracy, a fraction of the questions."""
    stderr: Annotated[float, Field(ge=0)] | None
    """Standard error over questions."""
    n: Annotated[int, Field(gt=0)] | None
    """Questions asked."""
    is_limited: bool
    """Whether fewer questions were asked than there are: such a score enters no comparison."""
    set_apart: str | None = None
    """Why a whole score enters no comparison either (of another revision, say); null where it may."""
    provider: Provider
    """How it came here: run by this program, imported from a file, posted on the Hub, in the shipped table."""
    source: str
    """Where exactly."""
    date: str | None
    """ISO date of the run or the posting."""
    is_verified: bool | None = None
    """Of a posted score, whether a token of the Hub's evaluator stands with it, which is not checked; else None."""
    dtype: str | None = None
    """What the weights were computed in, where the source says it."""
    notes: list[str] = Field(default_factory=list)
    """What a reader should know about this number."""
    among_size: AmongSize | None = None
    """Null where too few models of its size have a score of this protocol."""

    @property
    def is_comparable(self) -> bool:
        """Whether it may stand beside scores of equal protocol: of a whole run, on the model as it is."""
        return not self.is_limited and self.set_apart is None
