"""Where scores of a model are looked for, and how one is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from shape_audit.errors import UsageError
from shape_audit.hub import DEFAULT_RETRIES
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class KnownScoresOptions(Spec):
    """Where scores of a model are looked for, beside the table that ships."""

    scores: Annotated[
        tuple[Path, ...],
        Option(
            "Also look for scores in result files or folders, as MODEL=PATH where they do not name the model; may be "
            "repeated.",
            metavar="PATH",
            panel="Scores",
        ),
    ] = ()
    strict: Annotated[bool, Option("Exit with 2 if result files or the repository cannot be used.", panel="Scores")] = (
        False
    )
    posted: Annotated[bool, Option("Look for scores posted in the model's repository.", panel="Scores")] = True
    runs: Annotated[
        Path | None, Option("Folder with what `score` has saved before; None looks at none.", python_only=True)
    ] = None
    sources: Annotated[bool, Option("Ask the score sources of other packages.", python_only=True)] = True


@dataclass(frozen=True)
class ScoreOptions(Spec):
    """How to run MMLU-Pro.

    Attributes:
        results: each model gets its own folder in it.
        batch_size: None for auto on a GPU and 1 on a CPU, where too large a batch is killed rather than refused.
    """

    protocol: Annotated[
        Literal["letters", "cot"],
        Option(
            "letters: leaderboard_mmlu_pro, 5-shot, by log-likelihood. cot: mmlu_pro, 5-shot chain of thought, "
            "generated.",
            panel="Questions",
        ),
    ] = "letters"
    limit: Annotated[
        int | None,
        Option(
            "Ask only this many questions (with cot, of each subject): a trial run, no score to compare.",
            at_least=1,
            panel="Questions",
        ),
    ] = None
    batch_size: Annotated[
        str | None,
        Option(
            "Batch size passed to lm-eval.",
            metavar="auto|auto:N|N",
            default="auto on a GPU, 1 on a CPU",
            panel="Hardware",
        ),
    ] = None
    max_gen_toks: Annotated[
        int | None,
        Option(
            "With cot, generate up to this many tokens instead of 2,048: another protocol, and named so.",
            at_least=1,
            panel="Questions",
        ),
    ] = None
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Option("Where to run.", panel="Hardware")] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Option("Dtype of the model; auto is the checkpoint's own.", panel="Hardware"),
    ] = "auto"
    results: Annotated[
        Path | None,
        Option(
            "Folder for lm-eval's result files.", metavar="DIR", default="in the Hub's assets cache", panel="Output"
        ),
    ] = None
    questions: Annotated[
        Path | None,
        Option(
            "Folder with MMLU-Pro's questions, as its Hub repository holds them; a score on others is set apart.",
            metavar="DIR",
            default="TIGER-Lab/MMLU-Pro of the Hub or its cache",
            panel="Questions",
        ),
    ] = None
    resume: Annotated[bool, Option("Resume an interrupted run from its saved answers.", panel="Advanced")] = True
    retries: Annotated[int, Option("Retries after a transient network error.", at_least=0, panel="Advanced")] = (
        DEFAULT_RETRIES
    )

    def check(self) -> None:
        if self.max_gen_toks is not None and self.protocol != "cot":
            raise UsageError("--max-gen-toks goes with --protocol cot; letters are not generated")
        kind, _, times = (self.batch_size or "auto").partition(":")
        if not (kind == "auto" and (not times or times.isdigit())) and not (kind.isdigit() and int(kind) > 0):
            raise UsageError(f"--batch-size must be auto, auto:N or a number, not {self.batch_size}")
