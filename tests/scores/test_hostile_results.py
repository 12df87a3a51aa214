"""Whatever stands in a result file or a card: a score that a run can give, or a reason, and never another exception."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shape_audit.scores import posted_scores, read_scores
from tests.scores.result_files import lighteval, official_summary
from tests.scores.test_lm_eval_files import cot, letters

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["mmlu_pro", "leaderboard_mmlu_pro", "org/name", "acc,none", "N/A", "12,032", "0.5", 12032, 0.25]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["results", "acc,none", "leaderboard_mmlu_pro", "mmlu_pro", "mmlu_pro_law", "config", "model_args", "gen_kwargs",
     "corr", "wrong", "total", "law", "mmlu_pro|0", "extractive_match", "value", "dataset", "metrics", "x"]
)  # fmt: skip
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def paths(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value inside a JSON value."""
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(place for key, value in inside for place in paths(value, (*path, key)))]


def put(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    content[path[0]] = put(content[path[0]], path[1:], value)
    return content


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_any_value_anywhere_in_a_result_file(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from([letters, cot, lighteval, official_summary]))()
    for _ in range(data.draw(st.integers(1, 2))):
        content = put(content, data.draw(st.sampled_from(paths(content))), data.draw(ANYTHING))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "results_x.json"
        path.write_text(json.dumps(content))
        read = read_scores([f"org/name={path}"])
    assert all(0 <= score.value <= 1 and score.protocol for score in read.scores)
    assert read.scores or read.skipped


@given(ANYTHING, ANYTHING)
@settings(deadline=None, max_examples=150)
def test_any_value_anywhere_in_a_card(value: Any, other: Any) -> None:
    entry = {
        "dataset": {"name": "MMLU-Pro"},
        "metrics": [{"type": other, "value": value, "args": other}],
        "source": other,
    }
    for text in (
        f"---\n{yaml.safe_dump({'model-index': [{'name': other, 'results': [entry]}]})}---\n",
        f"---\n{yaml.safe_dump({'model-index': other})}---\n",
    ):
        found, _ = posted_scores("org/name", None, {"README.md": text})
        assert all(0 < score.value < 1 for score in found)
    found, _ = posted_scores(
        "org/name",
        None,
        {
            ".eval_results/a.yaml": yaml.safe_dump(
                [{"dataset": "MMLU-Pro", "value": value, "notes": other, "date": other}]
            )
        },
    )
    assert all(0 < score.value < 1 for score in found)
