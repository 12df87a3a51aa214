"""Which benchmark a name means: MMLU-Pro itself, some of its subjects, or one that only has it in its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from shape_audit.scores.entry_words import MMLU_PRO, mentions_mmlu_pro, subjects_of, unknown_words
from shape_audit.scores.readings import questions_by_subject


class Benchmark(NamedTuple):
    """What a name means; `subject` is one of the 14 where only that was asked, and names several of a part."""

    kind: Literal["whole", "subject", "part", "other"]
    name: str
    subject: str | None = None


def benchmark_of(*names: object, part: object = None) -> Benchmark | None:
    """The benchmark that several names of one entry mean together; None where none of them mentions MMLU-Pro.

    A name that means another benchmark wins over one that means MMLU-Pro: the general one is a heading.

    Args:
        part: configuration or subset of it, or several, which may be one of the subjects.
    """
    found = [_meant(name) for name in names if isinstance(name, str) and mentions_mmlu_pro(name)]
    if found:
        parts = part if isinstance(part, list | tuple) else [part]
        found += [meant_part(found[0].name, text) for text in parts if isinstance(text, str)]
    return narrowest(found)


def narrowest(found: Iterable[Benchmark]) -> Benchmark | None:
    """The one that says most of what was asked."""
    order = ("other", "subject", "part", "whole")
    return min(found, key=lambda one: order.index(one.kind), default=None)


def meant_part(name: str, part: str) -> Benchmark:
    """What a benchmark of this name is with a part of it named beside it."""
    one = _named(name, [word for word in unknown_words(part) if word != MMLU_PRO])
    return one._replace(name=f"{name}, {part},") if one.kind == "other" else one


def _meant(name: str) -> Benchmark:
    left = unknown_words(name)
    if MMLU_PRO not in left:
        return Benchmark("other", name)
    return _named(name, [word for word in left if word != MMLU_PRO])


def _named(name: str, words: list[str]) -> Benchmark:
    subjects = subjects_of(words)
    if subjects is None:
        return Benchmark("other", name)
    if len(set(subjects)) == 1 and subjects[0] in questions_by_subject():
        return Benchmark("subject", name, subjects[0])
    return Benchmark("part", name, " and ".join(subjects)) if subjects else Benchmark("whole", name)
