"""The ways in which MMLU-Pro is scored. The same model moves by several points between two of them, with swapped ranks
(letters against official chain of thought, 8 models of the shipped table: -4.3 to +3.5), so scores of different
protocols are never pooled.

| name | how |
| --- | --- |
| `official-cot` | TIGER-Lab's own: 5-shot chain of thought, their extraction |
| `lm-eval:mmlu_pro@3.1` | the same prompts in lm-eval, its own extraction |
| `lm-eval:leaderboard_mmlu_pro@0.1` | 5-shot letters by log-likelihood; of the Open LLM Leaderboard |
| `choice-0shot` | letters without examples |
| `lighteval:mmlu_pro@0` | lighteval's prompt and extraction |
| `tiger-lab:evaluate_from_local`, `..._api` | summaries of TIGER-Lab's scripts, which do not say all of how they ran |

A run that departs from its task in a setting that matters is another protocol, with that setting in its name:
`lm-eval:mmlu_pro@3.1+max_gen_toks=64`. A chat template is named by the first digits of its SHA-256, so that runs of one
model with different templates stay apart. Models have templates of their own, so that a comparison across models is of
`...+chat_template`, whichever: see `across_models`.
"""

from __future__ import annotations

import re

OFFICIAL_COT = "official-cot"
LM_EVAL_COT = "lm-eval:mmlu_pro@3.1"
LM_EVAL_LETTERS = "lm-eval:leaderboard_mmlu_pro@0.1"
LM_EVAL_LETTERS_CHAT = f"{LM_EVAL_LETTERS}+chat_template"
"""The same with each model's own chat template, as instruct models were run on the Open LLM Leaderboard."""
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


UNKNOWN_TEMPLATE = "chat_template=unknown"
"""Departure of a score of which it is not said whether the model's chat template was used."""


def is_protocol(name: str) -> bool:
    """Whether it can be the name of a protocol: one of the above, or another task, version or setting of a harness."""
    return name in NAMED or re.fullmatch(r"(lm-eval|lighteval):[^@\s]+@[^@\s]+|tiger-lab:[^@\s]+", name) is not None


_OWN_TEMPLATE = re.compile(r"\+chat_template(=(?!unknown\b)[^+]+)?(\+fewshot_as_multiturn=true)?(?=\+|$)")


def across_models(protocol: str) -> str:
    """What must be equal for scores of two models to be compared: the protocol, whichever template is the model's.

    Examples shown as turns go with a template: older files do not say so, and the Open LLM Leaderboard always did.
    """
    return _OWN_TEMPLATE.sub("+chat_template", protocol)


def lm_eval_protocol(task: str, version: str, departures: dict[str, str]) -> str:
    """The name of a protocol run by lm-eval.

    Args:
        departures: setting -> value, of all that is not as the stock task has it.
    """
    return f"lm-eval:{task}@{version}" + "".join(f"+{key}={value}" for key, value in sorted(departures.items()))
