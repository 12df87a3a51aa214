"""The ways in which MMLU-Pro is scored. The same model moves by several points between two of them, with swapped ranks
(letters against official chain of thought, 14 models of the shipped table: -6.2 to +3.5), so scores of different
protocols are never pooled.

| name | how |
| --- | --- |
| `official-cot` | TIGER-Lab's own: 5-shot chain of thought, their extraction |
| `lm-eval:mmlu_pro@3.1` | the same prompts in lm-eval, its own extraction |
| `lm-eval:leaderboard_mmlu_pro@0.1` | 5-shot letters by log-likelihood; of the Open LLM Leaderboard |
| `choice-0shot` | letters without examples |

A run that departs from its task in a setting that matters is another protocol, with that setting in its name:
`lm-eval:mmlu_pro@3.1+max_gen_toks=64`.
"""

from __future__ import annotations

import re

OFFICIAL_COT = "official-cot"
LM_EVAL_COT = "lm-eval:mmlu_pro@3.1"
LM_EVAL_LETTERS = "lm-eval:leaderboard_mmlu_pro@0.1"
CHOICE_0SHOT = "choice-0shot"
NAMED = (OFFICIAL_COT, LM_EVAL_COT, LM_EVAL_LETTERS, CHOICE_0SHOT)

QUESTIONS = 12_032
"""Of the test split."""
SUBJECTS = 14
CHANCE = 0.1112
"""Expected accuracy of guessing: options are not always ten (TIGER-Lab/MMLU-Pro, test split)."""
FLOOR = 0.12
"""Scores at or below it cannot be told from guessing: always "A" gives .1166, and sampling adds .003."""

LEADERBOARD_LOWEST = 0.1
"""What the Open LLM Leaderboard took for chance when it normalised: shown = 100 (raw - .1) / .9, never below 0."""


def raw_accuracy(shown: float) -> float | None:
    """Raw accuracy from the Open LLM Leaderboard's normalised percent; None where that was cut off at 0."""
    return LEADERBOARD_LOWEST + (1 - LEADERBOARD_LOWEST) * shown / 100 if shown > 0 else None


def is_protocol(name: str) -> bool:
    """Whether it can be the name of a protocol: one of the four, or another task, version or setting of lm-eval."""
    return name in NAMED or re.fullmatch(r"lm-eval:[^@\s]+@[^@\s]+", name) is not None


def lm_eval_protocol(task: str, version: str, departures: dict[str, str]) -> str:
    """The name of a protocol run by lm-eval.

    Args:
        departures: setting -> value, of all that is not as the stock task has it.
    """
    return f"lm-eval:{task}@{version}" + "".join(f"+{key}={value}" for key, value in sorted(departures.items()))
