"""What a card's metrics are of: MMLU-Pro as a whole, one subject, or no accuracy at all."""

import pytest
import yaml

from shape_audit.scores import posted_scores
from tests.scores.test_posted_words import card


@pytest.mark.parametrize(
    "metric",
    ["acc_stderr", "acc_stderr,none", "stderr", "standard deviation", "Accuracy (95% CI lower)", "ECE", "Brier",
     "perplexity", "loss", "bits per byte", "latency", "tok/s", "samples/s", "mean tokens", "average length",
     "GPU hours", "rank", "Elo", "win rate", "improvement", "Accuracy gain", "delta vs base", "recovery",
     "% of baseline", "unanswered rate", "error rate", "macro F1", "precision", "balanced accuracy", "base accuracy",
     "questions", "shots", "normalized accuracy", "Accuracy (Polish)", "GPQA"],
)  # fmt: skip
def test_what_is_no_accuracy_is_passed_over_by_its_name(metric: str) -> None:
    for given in ({"metric_name": metric, "type": "accuracy"}, {"type": metric}):
        found, passed_over = card(**given)
        assert found == [] and len(passed_over) == 1 and metric in passed_over[0]


@pytest.mark.parametrize(
    "metric",
    ["Accuracy", "acc_norm", "acc,none", "exact_match,custom-extract", "pass@1 (avg of 64)", "extractive_match",
     "Overall", "Exact match (%)", "Accuracy ↑", "chain-of-thought accuracy", "pass@1 / avg@8", "Average",
     "average over categories", "CoT", "5-shot", "MMLU-Pro", "mmlu_pro_mc", "Accuracy (greedy, max 4,096 tokens)",
     "accuracy, lm-eval:mmlu_pro@3.1+max_gen_toks=64", "accuracy, official-cot"],
)  # fmt: skip
def test_accuracies_of_all_questions(metric: str) -> None:
    for given in ({"metric_name": metric, "type": "accuracy"}, {"type": metric}):
        ((found,), passed_over) = card(**given)
        assert passed_over == [] and not found.is_limited


@pytest.mark.parametrize(
    ("metric", "n"), [("Biology", 717), ("Accuracy (law)", 1101), ("math_acc", 1351), ("STEM", None)]
)
def test_accuracies_of_some_subjects(metric: str, n: int | None) -> None:
    ((found,), _) = card(type=metric)
    assert found.is_limited and found.n == n


def benchmarks(name: str, *metrics: tuple[str, str]) -> dict[str, str]:
    """A card that lists metrics under one name."""
    result = {"dataset": {"name": name, "type": "benchmark"},
              "metrics": [{"name": metric, "type": kind, "value": 49.6} for metric, kind in metrics]}  # fmt: skip
    return {"README.md": f"---\n{yaml.safe_dump({'model-index': [{'name': 'm', 'results': [result]}]})}---\n"}


def test_a_card_that_lists_subjects_and_errors_has_one_whole_score() -> None:
    listed = [(f"{name}{rest}", "accuracy") for name in ("Overall", "Biology", "Law") for rest in ("", " stderr")]
    found, (passed_over,) = posted_scores("org/m", None, benchmarks("MMLU-Pro", *listed))
    assert [(score.n, score.is_limited) for score in found] == [(None, False), (717, True), (1101, True)]
    assert "Overall stderr, Biology stderr, Law stderr" in passed_over


@pytest.mark.parametrize(
    ("heading", "metric", "n_found"),
    [("Benchmarks", ("MMLU Pro MC", "mmlu_pro_mc"), 1), ("Benchmarks", ("MMLU-Pro", "mmlu_pro"), 1),
     ("Evaluation suite", ("accuracy", "mmlu_pro"), 1), ("Benchmarks", ("MMLU-ProX", "mmlu_prox"), 0), ("Benchmarks",
     ("MMLU-Pro stderr", "mmlu_pro"), 0), ("German benchmarks", ("MMLU-Pro", "mmlu_pro"), 0)],
)  # fmt: skip
def test_a_benchmark_that_only_the_metric_names(heading: str, metric: tuple[str, str], n_found: int) -> None:
    found, passed_over = posted_scores("org/m", None, benchmarks(heading, ("BBH", "bbh"), metric))
    assert len(found) == n_found and len(passed_over) == 1 - n_found
    assert all(metric[0] in line and "passed over" in line for line in passed_over)


@pytest.mark.parametrize(
    "result",
    [
        {"dataset": {"name": "lm-eval", "type": "x", "config": "mmlu_pro"}},
        {"dataset": {"name": "Benchmarks", "args": {"task": "mmlu_pro"}}},
        {"dataset": {"name": "Benchmarks"}, "task": {"type": "mmlu_pro"}},
        {"dataset": "MMLU-Pro"},
    ],
)
def test_a_benchmark_that_is_named_elsewhere(result: dict[str, object]) -> None:
    entry = {"name": "m", "results": {**result, "metrics": {"type": "acc", "value": 40.0}}}
    ((found,), passed_over) = posted_scores(
        "org/m", None, {"README.md": f"---\n{yaml.safe_dump({'model-index': entry})}---\n"}
    )
    assert found.value == 0.4 and passed_over == []


def test_metrics_of_other_benchmarks_are_not_mentioned() -> None:
    assert posted_scores("org/m", None, benchmarks("Benchmarks", ("MMLU STEM", "mmlu_stem"), ("BBH", "bbh"))) == (
        [],
        [],
    )


def test_the_metric_of_a_result_file_counts_too() -> None:
    text = "- {dataset: {id: TIGER-Lab/MMLU-Pro}, value: 40.0, metric: %s}"
    assert posted_scores("org/m", None, {".eval_results/a.yaml": text % "perplexity"})[0] == []
    assert posted_scores("org/m", None, {".eval_results/a.yaml": text % "accuracy"})[0][0].value == 0.4
    assert "Accuracy (f1)" in card(metric_name="Accuracy", type="f1")[1][0]


@pytest.mark.parametrize("keys", ["dataset: {name: MMLU-Pro}", "task: mmlu_pro", "benchmark: MMLU-Pro"])
def test_a_result_file_that_names_it_otherwise(keys: str) -> None:
    ((found,), _) = posted_scores("org/m", None, {".eval_results/a.yaml": f"- {{{keys}, value: 40.0}}"})
    assert found.value == 0.4
