"""How many of the questions a posted score is of, by its names, its split, its arguments and the text beside it."""

from typing import Any

import pytest

from shape_audit.scores import posted_scores
from shape_audit.scores.posted_extent import extent_of
from tests.scores.test_posted_words import card


@pytest.mark.parametrize(
    ("name", "n"),
    [("(200 of 12,032)", 200), ("(n=300)", 300), ("(limited to 250)", 250), ("(1,000/12032)", 1000),
     ("(500 questions)", 500), ("(limit=100)", 100), ("(limited)", None), ("(subset)", None), ("(limit=0.1)", None),
     ("(10% of it)", None), ("(200 examples)", 200), ("(200 MCQs)", 200), ("(200 Qs)", 200), ("(200q)", 200),
     ("(200 test cases)", 200), ("(random 300)", 300), ("(300 random questions)", 300), ("(40 questions)", 40),
     ("(two hundred questions)", 200), ("(1.2k questions)", 1200), ("(0.5k)", 500), ("(500)", 500), ("500", 500),
     ("(2000)", 2000), ("(5-shot, 500)", 500), ("(10%)", None), ("10%", None), ("(a tenth of the questions)", None),
     ("(half the questions)", None), ("(validation set)", None), ("dev", None), ("(mini)", None), ("(part 1)", None),
     ("(5 subjects)", None), ("(50 questions per subject)", 700), ("(100 per subject)", 1400),
     ("(70 per category)", 980), ("(20/subject)", 280), ("(25 questions from each category)", 350),
     ("(14 x 50)", 700), ("(one question per subject)", 14), ("(ten percent)", None),
     ("(0.1)", None), ("(400 questions per subject)", 14 * 400 - 19)],
)  # fmt: skip
def test_a_part_of_the_questions_by_the_name(name: str, n: int | None) -> None:
    ((found,), _) = card(name=f"MMLU-Pro {name}")
    assert found.is_limited and found.n == n and not found.is_comparable
    ((found,), _) = card(
        name=f"MMLU-Pro-{name}" if name == "500" else "MMLU-Pro", dataset={"config": f"mmlu_pro {name}"}
    )
    assert found.is_limited and found.n == n


@pytest.mark.parametrize(
    "name",
    ["12,032 questions", "12k questions", "12032", "100%", "14 subjects", "10 options", "5-shot", "0-shot CoT",
     "25-shot", "5 examples", "v1.0", "2024", "2025-01-31", "4,096 tokens", "max_tokens=2048", "32k context",
     "seed 42", "temperature 0.6", "top_k 20", "pass@1", "avg@64", "maj@16", "avg of 8 samples",
     "average of 64 samples", "64 samples per question", "3 runs", "n=4", "n=64", "bf16", "H100", "limit=20000"],
)  # fmt: skip
def test_numbers_of_other_things_in_the_name(name: str) -> None:
    ((found,), _) = card(name=f"MMLU-Pro ({name})", source={"name": "mine"})
    assert not found.is_limited


@pytest.mark.parametrize(
    ("text", "n"),
    [("200 of 12,032 questions", 200), ("a limited run", None), ("first 500 questions only", 500),
     ("--limit 100", 100), ("on the validation set", None), ("a random subset", None),
     ("50 questions per subject", 700), ("subset of 1000", 1000), ("10% of the questions", None),
     ("a quick test", None), ("1k questions", 1000), ("evaluated on 1,000 samples", 1000),
     ("the questions were randomly sampled", None), ("math only", None), ("STEM only", None), ("law category", None),
     ("5-shot; only the computer science category", None), ("physics, chemistry, math", None),
     ("excluding the law subject", None), ("0-shot, without law", None), ("physics and chemistry", None),
     ("on the math split", None), ("not CoT, limited to 250 questions", 250)],
)  # fmt: skip
def test_a_part_of_the_questions_by_the_text_beside_it(text: str, n: int | None) -> None:
    ((found,), _) = card(source={"name": text})
    assert found.is_limited and found.n == n
    ((found,), _) = posted_scores(
        "org/name", None, {".eval_results/a.yaml": f"- {{dataset: MMLU-Pro, value: 40.0, notes: '{text}'}}"}
    )
    assert found.is_limited and found.n == n


@pytest.mark.parametrize(
    "text",
    ["Phi-4-mini technical report", "DeepSeek-V2-Lite report", "QwQ-32B-Preview blog", "Mistral Small report",
     "graded by o4-mini", "answers sampled at temperature 0.6", "average of 64 samples", "64 samples per question",
     "n=64", "batch of 128 prompts", "128 prompts in parallel", "not limited", "not a subset",
     "no subset, all questions", "quick-start script", "rate-limited API", "limited to 4,096 tokens",
     "limited by compute", "few-shot examples from the validation set", "12,032 questions",
     "12% of the questions could not be parsed", "lm-eval 0.4.8, seed 1234", "Llama 3.1 405B report", "2025 report",
     "limited VRAM", "context limited to 8k",
     "20 questions timed out", "LiteLLM proxy", "not limited to 500 questions",
     "5 examples per subject", "random seed 42", "math with a calculator", "Math-Verify only", "Engineering",
     "not math only", "without other tools", "5-shot, math", "all subjects, no subset", "all categories",
     "Health team"],
)  # fmt: skip
def test_texts_about_something_else(text: str) -> None:
    ((found,), _) = card(source={"name": text})
    assert not found.is_limited


@pytest.mark.parametrize(
    ("dataset", "n"),
    [({"split": "validation"}, None), ({"split": "dev"}, None), ({"split": "train"}, None),
     ({"split": "test[:100]"}, 100), ({"split": "test[100:300]"}, 200), ({"split": "test[:10%]"}, None),
     ({"args": {"split": "validation"}}, None), ({"args": {"limit": 100}}, 100), ({"args": {"limit": 0.1}}, None),
     ({"args": {"questions": 300}}, 300), ({"num_samples": 500}, 500), ({"args": {"subject": "biology"}}, 717),
     ({"args": {"subset": "Law"}}, 1101), ({"config": "math", "split": "test[:50]"}, 50),
     ({"args": {"category": ["law", "math"]}}, 1101 + 1351)],
)  # fmt: skip
def test_a_part_of_the_questions_by_split_and_arguments(dataset: dict[str, Any], n: int | None) -> None:
    ((found,), _) = card(dataset=dataset)
    assert found.is_limited and found.n == n


@pytest.mark.parametrize(
    "dataset",
    [{"split": "test", "config": "default", "args": {"num_few_shot": 5}}, {"split": "test[:]"}, {"split": "TEST"}],
)
def test_the_whole_test_split_is_all(dataset: dict[str, Any]) -> None:
    ((found,), _) = card(dataset=dataset)
    assert not found.is_limited


def test_a_subject_keeps_its_name_and_its_number_of_questions() -> None:
    for name, n in (
        ("Law", 1101),
        ("(Law subset)", 1101),
        ("(Law, 100 questions)", 100),
        ("Law (5,000 questions)", 1101),
    ):
        ((found,), _) = card(name=f"MMLU-Pro {name}")
        assert found.is_limited and found.n == n and "1 of 14 subjects: law" in found.notes


def test_the_narrowest_statement_decides() -> None:
    assert extent_of(["MMLU-Pro (12,032 questions)"], ["first 500 questions"]) == (500, True)
    assert extent_of(["MMLU-Pro"], [], splits=["test"], args={"questions": 12032}) == (12032, False)
    assert extent_of() == (None, False)
    ((found,), _) = card(name="MMLU-Pro (Math)", source={"name": "math only"})
    assert found.is_limited and found.n == 1351
