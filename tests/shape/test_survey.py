"""A part of the architecture survey, whose whole is `benchmarks/architecture_survey.py`."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.architecture_survey import survey
from benchmarks.tiny_measurement import measure

EXPECTED = {
    "gemma3": "equal",
    "gemma4_text": "equal",
    "mllama": "equal",
    "moshi": "equal",
    "lfm2": "equal",
    "doge": "equal",
    "modernbert-decoder": "equal",
    "openai-gpt": "equal",
    "gpt_bigcode": "equal",
    "mpt": "equal",
    "nemotron": "equal",
    "ctrl": "equal",
    "mixtral": "equal",
    "qwen2_moe": "equal",
    "mamba": "equal",
    "rwkv": "equal",
    "hrm_text": "more than once",
    "bart": "not a causal language model",
    "roberta": "not a causal language model",
    "blt": "no depth",
}
"""Type -> that it is read as transformers builds it, or why it is refused."""
MEASURED: dict[str, tuple[dict[str, Any], str]] = {
    "llama": ({}, "dense"),
    "modernbert-decoder": ({}, "dense"),
    "doge": ({}, "dense"),
    "granitemoehybrid": ({"num_local_experts": 0, "layer_types": ["attention"] * 4}, "dense"),
    "dots1": ({"first_k_dense_replace": 4}, "dense"),
    "deepseek_v3": ({"first_k_dense_replace": 4}, "dense"),
    "moshi": ({}, "dense"),
    "bamba": ({}, "not dense: not all of its blocks mix tokens by attention"),
    "falcon_h1": ({}, "not dense: not all of its blocks mix tokens by attention"),
    "lfm2": ({"layer_types": ["conv", "full_attention"] * 2}, "not dense: not all of its blocks mix tokens"),
    "qwen3_next": ({}, "not dense: it has experts"),
    "nemotron_h": ({}, "not dense: it has experts"),
    "qwen3_moe": ({}, "not dense: it has experts"),
    "gpt_oss": ({}, "not dense: it has experts"),
    "jetmoe": ({"num_local_experts": 4, "num_hidden_layers": 4}, "not dense: it has experts"),
}  # fmt: skip
"""Type -> changes of its tiny config, and what the report calls it."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("model_type", EXPECTED)
def test_a_type_is_read_as_transformers_builds_it_or_refused(model_type: str) -> None:
    result, expected = survey(model_type), EXPECTED[model_type]
    assert result["outcome"] == ("equal" if expected == "equal" else "refused"), result
    assert expected == "equal" or expected in result["detail"]


@pytest.mark.parametrize(
    "model_type",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name not in ("llama", "falcon_h1", "qwen3_moe")))
        for name in MEASURED
    ],
)
def test_a_type_is_measured_as_the_dense_computation_has_it(model_type: str) -> None:
    """Float64 sums over explicit outer products: equal to rounding, that of a model's float32 pieces included."""
    changes, what = MEASURED[model_type]
    result = measure(model_type, **changes)
    assert result["outcome"] == "measured" and result["notes"] == [], result
    assert result["detail"].startswith(what) and result["twin"] == "float64" and result["stream"] == "yes"
    assert result["errors"]["float64"] < 1e-6 and result["errors"]["float32"] < 1e-3
