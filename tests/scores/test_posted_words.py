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
     "leaderboard_mmlu_pro", "MMLU-Pro (200 of 12,032)", "lighteval|mmlu_pro|0", "MMLU-Pro (EM)",
     "Tiger-Lab MMLU-Pro", "mmlu_pro:overall", "MMLU‐Pro".replace("‐", "-"), "MMLU - Pro", "MMLU – Pro", "MMLU (Pro)",
     "MMLU-Pro MC", "MMLU Pro RC", "MMLU-Pro chat", "MMLU-Pro no tools", "MMLU-Pro vLLM", "MMLU-Pro bf16",
     "MMLU-Pro v1.0", "MMLU-Pro w/ CoT", "MMLU-Pro w/o CoT", "MMLU-Pro mean", "MMLU-Pro logprobs",
     "Knowledge (MMLU-Pro)", "mmlu_pro_0shot_cot_gen_08c1de",
     "Massive Multitask Language Understanding Pro (MMLU-Pro)", "MMLU-Pro (greedy, max 4,096 tokens, oomeval)",
     "MMLU-Pro (en-US)", "MMLU-Pro (vLLM 0.6.3, H100)", "MMLU-Pro (no thinking)", "MMLU-Pro (A-J)", "MMLU-Pro (all)",
     "MMLU-Pro (thinking off)", "MMLU-Pro (10 options)"],
)  # fmt: skip
def test_mmlu_pro_by_its_spellings(name: str) -> None:
    found = benchmark_of(name)
    assert found is not None and found.kind == "whole"


@pytest.mark.parametrize(
    "name",
    ["KMMLU-Pro", "LGAI-EXAONE/KMMLU-Pro", "MMLU-Pro-TR", "MMLU-ProX", "MMLU-Pro-X", "MMLU-Pro-Max", "MMLU-Pro-Plus",
     "MMLU-Pro+", "mmlu_pro_plus", "MMLU-Pro-nomath", "sam-paech/mmlu-pro-nomath-sml", "MMLU-Pro-CoT-Train-Labeled",
     "MMMLU-Pro", "JMMLU-Pro", "CMMLU_Pro", "MMLU-Pro-Vision", "mmlu_pro_llama2", "MMLU-Pro (es) Spanish",
     "MMLU-Pro-1k", "MMLU, MMLU-Pro", "MMLU-Pro (German)", "MMLU-Pro (tr)", "MMLU-Pro (nomath)",
     *[f"MMLU-Pro {rest}" for rest in ("(Polish)", "[Greek]", "(Deutsch)", "(한국어)", "(日本語)", "（中文）",
     "(pt-BR)", "(zh_CN)", "(DEU)", "(no)", "(it)", "no", "(5-shot, no)", "(CoT, Xhosa)", "(Redux)", "(Hard)",
     "(hard subset)", "(simplified)", "(high school)", "(4 options)", "v2", ": Polish")], "ammlu-pro",
     "MMLU/MMLU-Pro", "Korean Massive Multitask Language Understanding Pro (KMMLU-Pro)"],
)  # fmt: skip
def test_other_benchmarks_by_their_whole_names(name: str) -> None:
    found = benchmark_of(name)
    assert found is not None and found.kind == "other"
    assert benchmark_of("MMLU-Pro", name) == found, "whatever the heading says"


@pytest.mark.parametrize(
    ("names", "subject"),
    [(("MMLU-Pro Law",), "law"), (("mmlu_pro_computer_science",), "computer_science"), (("MMLU-Pro (math)",), "math"),
     (("MMLU-Pro", "mmlu_pro_physics"), "physics"), (("MMLU-Pro maths",), "math"), (("MMLU-Pro (Law subset)",),
     "law"), (("MMLU-Pro Comp Sci",), "computer_science"), (("MMLU-Pro (other)",), "other")],
)  # fmt: skip
def test_single_subjects(names: tuple[str, ...], subject: str) -> None:
    found = benchmark_of(*names)
    assert found is not None and (found.kind, found.subject) == ("subject", subject)


@pytest.mark.parametrize("rest", ["(STEM)", "(Humanities)", "social sciences", "(math and physics)", "[non-STEM]"])
def test_several_subjects_are_a_part(rest: str) -> None:
    found = benchmark_of(f"MMLU-Pro {rest}")
    assert found is not None and found.kind == "part"


def test_a_heading_that_is_not_understood_may_be_another_benchmark() -> None:
    for heading, kind in (("German questions", "other"), ("Biology", "subject"), ("Knowledge", "whole")):
        found = benchmark_of("TIGER-Lab/MMLU-Pro", part=heading)
        assert found is not None and found.kind == kind


def test_other_names_mention_nothing() -> None:
    assert benchmark_of("MMLU", "GPQA", None, 5, "promml") is None
    assert benchmark_of("MMLU-Pro", part="math") == ("subject", "MMLU-Pro", "math")
    assert benchmark_of("MMLU-Pro", part="default") == ("whole", "MMLU-Pro", None)


def card(
    model: str = "org/name",
    *,
    name: str = "MMLU-Pro",
    metric_name: str | None = None,
    index: str | None = None,
    **metric: Any,
) -> tuple[list[ScoreRecord], list[str]]:
    """What one entry of a card gives; `name`, `dataset` and `source` are of the entry, the rest is of its metric."""
    source, more = metric.pop("source", None), metric.pop("dataset", {})
    if metric_name is not None:
        metric["name"] = metric_name
    dataset = {"name": name, "type": "TIGER-Lab/MMLU-Pro", **more}
    result = {"dataset": dataset, "metrics": [{"type": "acc", "value": 40.0} | metric]}
    if source:
        result["source"] = source
    content = {"model-index": [{"name": index or model, "results": [result]}]}
    return posted_scores(model, None, {"README.md": f"---\n{yaml.safe_dump(content)}---\n"})


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


@pytest.mark.parametrize(
    ("value", "stderr", "error"),
    [(35.2, 0.42, 0.0042), ("35.2%", 0.42, 0.0042), (0.352, 0.0042, 0.0042), (35.2, 0.0042, 0.0042),
     (0.352, 0.42, 0.0042), (35.2, 12.0, None), (35.2, 0, None), (0.352, 1e-5, None), (35.2, "0.42", None)],
)  # fmt: skip
def test_a_standard_error_is_in_a_unit_in_which_it_can_be_one(value: Any, stderr: Any, error: float | None) -> None:
    ((found,), _) = card(value=value, args={"stderr": stderr})
    assert found.stderr == pytest.approx(error)


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
    ((found,), _) = card(value=shown, name=name, source=source, args={"stderr": 0.4})
    assert found.value == pytest.approx(raw_accuracy(float(shown))) and found.set_apart is None
    assert found.stderr == pytest.approx(0.0036)
    assert found.protocol == f"{LM_EVAL_LETTERS}+chat_template=unknown"
    assert f"posted as {shown} normalised points" in found.notes
    found_, passed_over = card(value=0.0, name=name, source=source)
    assert found_ == [] and "cut off there" in passed_over[0]
