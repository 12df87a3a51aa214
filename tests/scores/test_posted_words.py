"""Names, units and words in cards: what a posted entry says of itself decides what it is taken for."""

from typing import Any

import pytest
import yaml

from shape_audit.records import ScoreRecord
from shape_audit.scores import LM_EVAL_LETTERS, posted_scores, raw_accuracy
from shape_audit.scores.benchmark_names import benchmark_of

BOARD = "https://huggingface.co/spaces/open-llm-leaderboard/open_llm_leaderboard?query="


@pytest.mark.parametrize(
    "name",
    ["MMLU-Pro", "mmlu_pro", "MMLU Pro", "MMLUPro", "MMLU-PRO (5-shot)", "TIGER-Lab/MMLU-Pro", "MMLU-Pro 5-shot CoT",
     "leaderboard_mmlu_pro", "MMLU-Pro (200 of 12,032)", "lighteval|mmlu_pro|0", "MMLU-Pro (EM)", "Tiger-Lab MMLU-Pro",
     "mmlu_pro:overall", "MMLU‐Pro".replace("‐", "-")],
)  # fmt: skip
def test_mmlu_pro_by_its_spellings(name: str) -> None:
    found = benchmark_of(name)
    assert found is not None and found.kind == "whole"


@pytest.mark.parametrize(
    "name",
    ["KMMLU-Pro", "LGAI-EXAONE/KMMLU-Pro", "MMLU-Pro-TR", "MMLU-ProX", "MMLU-Pro-X", "MMLU-Pro-Max", "MMLU-Pro-Plus",
     "MMLU-Pro+", "mmlu_pro_plus", "MMLU-Pro-nomath", "sam-paech/mmlu-pro-nomath-sml", "MMLU-Pro-CoT-Train-Labeled",
     "MMMLU-Pro", "JMMLU-Pro", "CMMLU_Pro", "MMLU-Pro-Vision", "mmlu_pro_llama2", "MMLU-Pro (es) Spanish",
     "MMLU-Pro-1k", "MMLU, MMLU-Pro", "MMLU-Pro (German)", "MMLU-Pro (tr)", "MMLU-Pro (nomath)"],
)  # fmt: skip
def test_other_benchmarks_by_their_whole_names(name: str) -> None:
    found = benchmark_of(name)
    assert found is not None and found.kind == "other"
    assert benchmark_of("MMLU-Pro", name) == found, "whatever the heading says"


@pytest.mark.parametrize(
    ("names", "subject"),
    [(("MMLU-Pro Law",), "law"), (("mmlu_pro_computer_science",), "computer_science"), (("MMLU-Pro (math)",), "math"),
     (("MMLU-Pro", "mmlu_pro_physics"), "physics")],
)  # fmt: skip
def test_single_subjects(names: tuple[str, ...], subject: str) -> None:
    found = benchmark_of(*names)
    assert found is not None and (found.kind, found.subject) == ("subject", subject)


def test_other_names_mention_nothing() -> None:
    assert benchmark_of("MMLU", "GPQA", None, 5, "promml") is None
    assert benchmark_of("MMLU-Pro", part="math") == ("subject", "MMLU-Pro", "math")
    assert benchmark_of("MMLU-Pro", part="default") == ("whole", "MMLU-Pro", None)


def card(model: str = "org/name", *, name: str = "MMLU-Pro", **metric: Any) -> tuple[list[ScoreRecord], list[str]]:
    """What one entry of a card gives."""
    source = metric.pop("source", None)
    result = {"dataset": {"name": name, "type": "TIGER-Lab/MMLU-Pro"}, "metrics": [{"type": "acc", **metric}]}
    if source:
        result["source"] = source
    index = {"model-index": [{"name": model, "results": [result]}]}
    return posted_scores(model, None, {"README.md": f"---\n{yaml.safe_dump(index)}---\n"})


@pytest.mark.parametrize(
    ("value", "accuracy"),
    [(0.301, 0.301), (30.1, 0.301), ("0.301", 0.301), ("45.2%", 0.452), ("45.2 %", 0.452), ("33,27", 0.3327),
     ("41.2 ± 0.4", 0.412), ("4.1%", 0.041), (11, 0.11)],
)  # fmt: skip
def test_values_whose_unit_can_be_told(value: Any, accuracy: float) -> None:
    ((found,), passed_over) = card(value=value)
    assert found.value == pytest.approx(accuracy) and passed_over == []


@pytest.mark.parametrize(
    ("value", "words"),
    [*[(value, "placeholder") for value in (0, 0.000, "XX.XX", "xx", "TBD", "N/A", "-", "", None, "{{score}}")],
     ([45.1, 46.2], "no number"), ("45.1-46.2", "no number"), ("about 40", "no number"), (True, "no number"),
     (1.66, "1.66, and whether that is a share, percent or normalised points is not said"),
     (0.0166, "0.0166, and whether"), *[(value, "which no run gives") for value in (400, -3, 100, 1)]],
)  # fmt: skip
def test_values_that_cannot_be_placed_are_shown_as_written(value: Any, words: str) -> None:
    found, passed_over = card(value=value)
    assert found == [] and len(passed_over) == 1 and words in passed_over[0]


@pytest.mark.parametrize("shown", [0.54, 1.66, 24.37, 57.0, "24.37"])
@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("MMLU-Pro", {"url": f"{BOARD}org/name", "name": "Open LLM Leaderboard"}),
        ("MMLU-Pro", {"name": "Open LLM Leaderboard v2"}),
        ("MMLU-PRO (5-shot)", None),
    ],
)
def test_the_leaderboards_points_are_converted(shown: Any, name: str, source: dict[str, str] | None) -> None:
    ((found,), _) = card(value=shown, name=name, source=source)
    assert found.value == pytest.approx(raw_accuracy(float(shown))) and found.set_apart is None
    assert found.protocol == f"{LM_EVAL_LETTERS}+chat_template=unknown"
    assert f"posted as {shown} normalised points" in found.notes
    found_, passed_over = card(value=0.0, name=name, source=source)
    assert found_ == [] and "cut off there" in passed_over[0]


@pytest.mark.parametrize(
    ("name", "n"),
    [("MMLU-Pro (200 of 12,032)", 200), ("MMLU-Pro (n=300)", 300),
     ("MMLU-Pro (limited to 250)", 250), ("MMLU-Pro (1,000/12032)", 1000), ("MMLU-Pro (500 questions)", 500),
     ("MMLU-Pro (limit=100)", 100), ("MMLU-Pro (limited)", None), ("MMLU-Pro (subset)", None),
     ("MMLU-Pro (limit=0.1)", None), ("MMLU-Pro (10% of it)", None)],
)  # fmt: skip
def test_a_part_of_the_questions_is_limited(name: str, n: int | None) -> None:
    ((found,), _) = card(value=40.0, name=name)
    assert found.is_limited and found.n == n and not found.is_comparable


def test_words_beside_the_entry_count_too() -> None:
    for source in ({"name": "200 of 12,032 questions"}, {"name": "a limited run"}):
        ((found,), _) = card(value=40.0, source=source)
        assert found.is_limited
    text = "- {dataset: MMLU-Pro, value: 40.0, notes: 'first 500 questions only'}"
    ((found,), _) = posted_scores("org/name", None, {".eval_results/a.yaml": text})
    assert found.is_limited and found.n == 500


def test_all_questions_are_all(tmp_path: object) -> None:
    for name in ("12,032 questions", "avg of 8 samples", "n=4", "5-shot", "limit=20000"):
        ((found,), _) = card(value=40.0, name=f"MMLU-Pro ({name})", source={"name": "mine"})
        assert not found.is_limited
    ((found,), _) = card(value=40.0, name="MMLU-Pro Law")
    assert found.is_limited and found.n == 1101 and "1 of 14 subjects: law" in found.notes


@pytest.mark.parametrize(
    ("model", "source", "words"),
    [
        ("org/name-4bit", {"url": f"{BOARD}org/name"}, "of another model, by its source: org/name"),
        ("org/name", {"url": "https://huggingface.co/other/base"}, "other/base"),
        ("org/name", {"url": "https://huggingface.co/datasets/open-llm-leaderboard/a__b-details"}, "a/b"),
        ("org/name", {"name": "GPTQ 4-bit run"}, "of quantised weights"),
        ("org/name", {"name": "other/base"}, "other/base"),
        ("org/name", {"name": "results of other/base-7b with lm-eval"}, "other/base-7b"),
    ],
)
def test_scores_of_another_model_are_set_apart(model: str, source: dict[str, str], words: str) -> None:
    ((found,), _) = card(model, value=40.0, source=source)
    assert found.set_apart is not None and words in found.set_apart and not found.is_comparable


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("org/name", {"url": f"{BOARD}ORG/Name"}),
        ("name", {"url": f"{BOARD}org/name"}),
        ("org/name", {"url": "https://huggingface.co/datasets/open-llm-leaderboard/org__name-details"}),
        ("org/name", {"url": "https://huggingface.co/datasets/TIGER-Lab/MMLU-Pro"}),
        ("org/name", {"url": "https://example.org/other/base"}),
        ("org/name-GPTQ", {"name": "GPTQ run"}),
        ("org/name", {"name": "org/name"}),
        ("org/name", {"name": "EleutherAI/lm-evaluation-harness and/or see TIGER-Lab/MMLU-Pro"}),
    ],
)
def test_scores_of_this_model_are_not(model: str, source: dict[str, str]) -> None:
    ((found,), _) = card(model, value=40.0, source=source)
    assert found.set_apart is None


def test_a_card_of_another_models_index_says_so() -> None:
    index = {"model-index": [{"name": "zephyr-7b", "results": [
        {"dataset": {"name": "MMLU-Pro"}, "metrics": [{"type": "acc", "value": 30.0}]}]}]}  # fmt: skip
    ((found,), _) = posted_scores("org/name", None, {"README.md": f"---\n{yaml.safe_dump(index)}---\n"})
    assert "its model-index is of zephyr-7b" in found.notes
