"""A part of the architecture survey, whose whole is `benchmarks/architecture_survey.py`."""

import logging

import pytest

from benchmarks.architecture_survey import survey

EXPECTED = {
    "gemma3": ("equal", "yes"),
    "gemma4_text": ("equal", "yes"),
    "mllama": ("equal", "yes"),
    "openai-gpt": ("equal", "yes"),
    "gpt_bigcode": ("equal", "yes"),
    "mpt": ("equal", "yes"),
    "nemotron": ("equal", "yes"),
    "ctrl": ("equal", "yes"),
    "mixtral": ("refused", "a mixture of 8 experts"),
    "qwen2_moe": ("refused", "a mixture of 60 experts"),
    "mamba": ("refused", "not all of its blocks mix tokens by attention"),
    "rwkv": ("refused", "not all of its blocks mix tokens by attention"),
    "bart": ("refused", "not a causal language model"),
    "roberta": ("refused", "not a causal language model"),
    "blt": ("refused", "no depth"),
}


@pytest.mark.parametrize("model_type", EXPECTED)
def test_a_type_is_read_as_transformers_builds_it_or_refused(model_type: str) -> None:
    logging.disable(logging.WARNING)
    try:
        result = survey(model_type)
    finally:
        logging.disable(logging.NOTSET)
    outcome, what = EXPECTED[model_type]
    assert result["outcome"] == outcome, result
    assert what in (result["measured"] if outcome == "equal" else result["detail"])
