"""A score beside models of its size: the same residual a second way, and when there is none."""

import math

import pytest
from scipy import stats

from shape_audit.linking import among_size
from shape_audit.records import ScoreRecord
from shape_audit.scores import LM_EVAL_LETTERS, across_models, published_for, published_scores
from shape_audit.shape import known_models


def letters_of(model: str) -> ScoreRecord:
    return next(score for score in published_for(model) if score.protocol.startswith(LM_EVAL_LETTERS))


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-7B-Instruct"])
def test_the_residual_is_that_of_a_line_through_models_of_its_size(model: str) -> None:
    known = known_models()
    own = known[model]
    assert own.params
    protocol = across_models(letters_of(model).protocol)
    near = [
        (math.log10(known[score.model].params or 1), score.value)
        for score in published_scores()
        if across_models(score.protocol) == protocol
        and score.model != model
        and (other := known.get(score.model)) is not None
        and (other.is_base, other.domain, other.derived_from) == (own.is_base, "general", "")
        and other.params
        and 1 / 3 <= other.params / own.params <= 3
    ]
    line = stats.linregress([size for size, _ in near], [value for _, value in near])
    (found,) = among_size([letters_of(model)])
    assert found.among_size is not None and found.among_size.n == len(near)
    assert found.among_size.expected == pytest.approx(line.intercept + line.slope * math.log10(own.params))
    assert found.among_size.residual == pytest.approx(found.value - found.among_size.expected)
    assert found.among_size.kind == ("base" if own.is_base else "instruct")


def test_no_residual_where_it_would_mean_nothing() -> None:
    score = letters_of("Qwen/Qwen2.5-0.5B")
    limited = score.model_copy(update={"is_limited": True})
    other = score.model_copy(update={"protocol": "choice-0shot"})
    stranger = score.model_copy(update={"model": "org/name"})
    assert all(found.among_size is None for found in among_size([limited, other, stranger]))
    (held,) = among_size([stranger], {"org/name": 5e8})
    assert held.among_size is not None and held.among_size.kind == "base"
    (huge,) = among_size([stranger], {"org/name": 1e13})
    assert huge.among_size is None
