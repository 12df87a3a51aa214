"""Which benchmark a name means: MMLU-Pro itself, one of its subjects, or one that only has it in its name."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, NamedTuple

from shape_audit.scores.readings import questions_by_subject

_MENTIONED = re.compile(r"mmlu[\W_]?pro", re.IGNORECASE)
_BRACKETS = re.compile(r"[(\[{][^)\]}]*[)\]}]")
_QUALIFIERS = frozenset((
    "acc", "accuracy", "all", "at", "average", "avg", "benchmark", "cot", "custom", "dataset", "default", "em",
    "en", "english", "eval", "evaluation", "exact", "extract", "extractive", "few", "full", "generative", "greedy",
    "harness", "instruct", "lab", "leaderboard", "lighteval", "llm", "lm", "macro", "main", "match", "micro", "no",
    "non", "of", "official", "on", "open", "overall", "pass", "points", "questions", "raw", "reasoning", "score",
    "scores", "set", "shot", "shots", "split", "strict", "test", "the", "think", "thinking", "tiger", "with",
    "without", "zero",
))  # fmt: skip
"""Words that say how MMLU-Pro was asked or where it lies, and leave it what it is."""


_OTHER_VERSIONS = frozenset((
    "arabic", "bengali", "chinese", "czech", "french", "german", "hindi", "hungarian", "indonesian", "italian",
    "japanese", "korean", "multilingual", "nomath", "plus", "portuguese", "russian", "spanish", "swahili", "thai",
    "translated", "turkish", "ukrainian", "vietnamese",
))  # fmt: skip
"""What makes it another benchmark even in brackets, as two letters of a language do."""


class Benchmark(NamedTuple):
    """What a name means; `subject` is one of the 14 where only that was asked."""

    kind: Literal["whole", "subject", "other"]
    name: str
    subject: str | None = None


def benchmark_of(*names: object, part: object = None) -> Benchmark | None:
    """The benchmark that several names of one entry mean together; None where none of them mentions MMLU-Pro.

    A name that means another benchmark wins over one that means MMLU-Pro: the general one is a heading.

    Args:
        part: configuration or subset of it, which may be one of the subjects.
    """
    found = [one for name in names if isinstance(name, str) and (one := _meant(name)) is not None]
    subject = re.sub(r"[\W_]+", "_", str(part).lower())
    if subject in questions_by_subject():
        found = [one._replace(kind="subject", subject=subject) if one.kind == "whole" else one for one in found]
    for kind in ("other", "subject", "whole"):
        for one in found:
            if one.kind == kind:
                return one
    return None


def _meant(name: str) -> Benchmark | None:
    plain = unicodedata.normalize("NFKC", name).lower().strip()
    if not _MENTIONED.search(plain):
        return None
    outside = _BRACKETS.sub(" ", plain).rsplit("/", 1)[-1] if _MENTIONED.search(_BRACKETS.sub(" ", plain)) else plain
    words = re.findall(r"[^\W_]+|\+", re.sub(r"mmlu[\W_]?pro(?![^\W_])", " mmlupro ", outside))
    left = [word for word in words if word not in _QUALIFIERS and not word.isdigit()]
    if "mmlupro" not in left:
        return Benchmark("other", name)
    left.remove("mmlupro")
    subject = "_".join(left)
    inside_words = set(re.findall(r"[^\W\d_]+", " ".join(_BRACKETS.findall(plain))))
    if inside_words & _OTHER_VERSIONS or re.search(r"[(\[{](?!em\b|no\b)[a-z]{2}[)\]}]", plain):
        return Benchmark("other", name)
    if not left:
        inside = "_".join(re.findall(r"[^\W_]+", " ".join(_BRACKETS.findall(plain))))
        return Benchmark("subject", name, inside) if inside in questions_by_subject() else Benchmark("whole", name)
    return Benchmark("subject", name, subject) if subject in questions_by_subject() else Benchmark("other", name)
