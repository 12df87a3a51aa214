"""The shipped table, and what stands in repositories."""

import subprocess
import sys
from pathlib import Path

import pytest

from shape_audit.hub import parse_model
from shape_audit.records import ModelRef
from shape_audit.scores import (
    LM_EVAL_LETTERS,
    OFFICIAL_COT,
    across_models,
    posted_scores,
    published_for,
    published_scores,
    raw_accuracy,
)
from shape_audit.shipped import DATA
from tests.conftest import MATERIALS

ROOT = Path(__file__).resolve().parents[2]


def test_the_shipped_table_keeps_protocols_apart() -> None:
    scores = published_scores()
    templated = f"{LM_EVAL_LETTERS}+chat_template"
    kinds = {LM_EVAL_LETTERS, OFFICIAL_COT, templated, f"{templated}=unknown"}
    assert {across_models(score.protocol) for score in scores} == kinds
    assert len({(score.model, score.protocol) for score in scores}) == len(scores) == 277
    assert all(0.1 < score.value < 0.7 and score.n == 12032 and score.source for score in scores)
    (letters, cot) = sorted(published_for(ModelRef("hub", "meta-llama/Llama-3.1-8B")), key=lambda score: score.protocol)
    assert (letters.protocol, cot.protocol) == (LM_EVAL_LETTERS, OFFICIAL_COT)
    assert cot.value == pytest.approx(0.366, abs=1e-3) and letters.value == pytest.approx(0.329, abs=2e-3)


def test_published_scores_are_of_the_default_branch() -> None:
    name = "meta-llama/Llama-3.1-8B"
    for asked, is_apart in (
        (name, False),
        (f"{name}@main", False),
        (f"{name}@{'a' * 40}", False),
        (f"{name}@v1", True),
    ):
        found = published_for(parse_model(asked))
        assert len(found) == 2 and all(score.is_comparable is not is_apart for score in found)


def test_the_protocols_differ_by_points_on_the_same_models() -> None:
    by_protocol = {
        protocol: {score.model: score.value for score in published_scores() if score.protocol == protocol}
        for protocol in (LM_EVAL_LETTERS, OFFICIAL_COT)
    }
    both = by_protocol[LM_EVAL_LETTERS].keys() & by_protocol[OFFICIAL_COT].keys()
    gaps = [by_protocol[LM_EVAL_LETTERS][model] - by_protocol[OFFICIAL_COT][model] for model in both]
    assert (len(both), round(100 * min(gaps), 1), round(100 * max(gaps), 1)) == (8, -4.3, 3.5)


def test_the_table_is_what_its_script_makes(tmp_path: Path) -> None:
    reference = MATERIALS.parent / "reference"
    if not reference.is_dir():
        pytest.skip("the reference tables (../shared/reference) are not at hand")
    before = (DATA / "mmlu_pro_scores.csv").read_bytes()
    subprocess.run([sys.executable, ROOT / "scripts" / "make_mmlu_pro_scores", reference], check=True)
    assert (DATA / "mmlu_pro_scores.csv").read_bytes() == before


def test_the_leaderboards_normalised_form_is_undone() -> None:
    assert raw_accuracy(0.0) is None
    assert raw_accuracy(1.660387) == pytest.approx(0.114943, abs=1e-6)


EVAL_RESULTS = """
- dataset: {id: TIGER-Lab/MMLU-Pro, task_id: mmlu_pro}
  value: 41.2
  date: 2026-02-03
  verifyToken: eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJ2ZXJzaW9uIjoxfQ.kx434Ckp7xt_qf-Y
  source: {url: "https://example.org/run", name: run}
- dataset: {id: openai/gsm8k}
  value: 80
- dataset: {id: TIGER-Lab/MMLU-Pro}
  value: 0.4
  verified: true
  notes: lm-eval:leaderboard_mmlu_pro@0.1
"""
CARD = """---
license: mit
model-index:
- name: x
  results:
  - task: {type: text-generation}
    dataset: {name: MMLU-PRO (5-shot), type: TIGER-Lab/MMLU-Pro, args: {num_few_shot: 5}}
    metrics:
    - {type: acc, value: 31.5, name: accuracy, verified: true, verifyToken: abc}
    source: {url: "https://example.org/board", name: Open LLM Leaderboard}
  - dataset: {name: MMLU-ProX, type: li-lab/MMLU-ProX}
    metrics: [{type: acc, value: 99}]
---
# A card
"""


def test_posted_scores_are_marked_as_such() -> None:
    found, passed_over = posted_scores("org/name", "abc", {".eval_results/a.yaml": EVAL_RESULTS, "README.md": CARD})
    assert passed_over == ["README.md: MMLU-ProX is another benchmark than MMLU-Pro; passed over"]
    assert [(round(score.value, 6), score.protocol, score.is_verified) for score in found] == [
        (0.412, "posted:unknown", True), (0.4, LM_EVAL_LETTERS, False),
        (0.3835, f"{LM_EVAL_LETTERS}+chat_template=unknown", False)]  # fmt: skip
    assert found[0].source == "https://example.org/run" and found[0].date == "2026-02-03"
    assert "5-shot" in found[2].notes and all(score.provider == "posted" for score in found)


@pytest.mark.parametrize(
    "text",
    ["", "- [", "x: !!python/object/apply:os.system ['true']", "- {dataset: MMLU-Pro, value: N/A}", "null", "5",
     "- {dataset: MMLU-Pro, value: -3}", "- {dataset: MMLU-Pro, value: 400}", "- {dataset: MMLU-Pro, value: .nan}",
     "[" * 5000, "a: &a [x]\nb: [" + "*a, " * 3 + "]", "- {dataset: [MMLU-Pro], value: {}}",
     "- value: 3\n  dataset: 5"],
)  # fmt: skip
def test_hostile_files_give_no_score(text: str) -> None:
    assert posted_scores("org/name", None, {".eval_results/a.yaml": text})[0] == []
    assert posted_scores("org/name", None, {"README.md": f"---\nmodel-index: {text}\n---\n"})[0] == []


def test_aliases_of_aliases_are_not_expanded() -> None:
    bomb = "a0: &a0 x\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 2000))
    found, passed_over = posted_scores("org/name", None, {".eval_results/a.yaml": bomb})
    assert found == [] and "aliases" in passed_over[0]
