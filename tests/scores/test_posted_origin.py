"""Whose a posted score is, and whether the Open LLM Leaderboard's points are meant: by addresses, words and names."""

import pytest

from tests.scores.test_posted_words import BOARD, card


@pytest.mark.parametrize(
    ("model", "source", "words"),
    [
        ("org/name-4bit", {"url": f"{BOARD}org/name"}, "of another model, by its source: org/name"),
        ("org/name", {"url": "https://huggingface.co/other/base"}, "other/base"),
        ("org/name", {"url": "https://huggingface.co/datasets/open-llm-leaderboard/a__b-details"}, "a/b"),
        ("org/name", {"name": "GPTQ 4-bit run"}, "of quantised weights"),
        ("org/name", {"name": "other/base"}, "other/base"),
        ("org/name", {"name": "results of other/base-7b with lm-eval"}, "other/base-7b"),
        ("org/name", {"name": "taken from openai/gpt-oss-20b"}, "openai/gpt-oss-20b"),
        ("org/name", {"name": "4-bit weights, 8-bit KV cache"}, "of quantised weights"),
        ("org/name", {"name": "no thinking, 4-bit"}, "of quantised weights"),
        ("org/name", {"name": "scores of the original bf16 model, not of this copy"}, "of the original bf16 model"),
        ("org/name", {"name": "not of this quant"}, "another model"),
        ("org/name-4bit", {"name": "bf16 model scores"}, "the unquantised"),
        ("org/name-4bit", {"name": "scores of the base model"}, "the unquantised"),
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
        ("meta-llama/Llama-3.1-8B", {"url": f"{BOARD}meta-llama/Meta-Llama-3.1-8B"}),
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


@pytest.mark.parametrize(
    "text",
    ["no quantization", "on the full-precision model", "with unquantized weights", "open source model",
     "unquantized weights", "without quantisation, bf16", "not quantised", "8-bit KV cache", "KV cache in fp8",
     "kv_cache_dtype=fp8", "no 4-bit or 8-bit quantization", "NVIDIA/NeMo-Skills", "vllm-project/vllm",
     "open-compass/opencompass", "ggml-org/llama.cpp", "5-shot/CoT", "CoT/5-shot", "for zero/few-shot", "H100/A100",
     "vLLM/H100", "TP/DP", "for reasoning/thinking mode", "for math/code tasks", "see docs/results.md",
     "see results/mmlu.json", "2025/01/02"],
)  # fmt: skip
def test_words_that_name_no_other_model(text: str) -> None:
    for source in ({"name": text}, {"name": f"own run, {text}"}):
        ((found,), _) = card(source=source)
        assert found.set_apart is None


@pytest.mark.parametrize(
    "address",
    ["spaces/open-llm-leaderboard/open_llm_leaderboard#/?search=org%2Fother",
     "spaces/open-llm-leaderboard/open_llm_leaderboard?search=org/other",
     "datasets/open-llm-leaderboard/details_org__other",
     "datasets/open-llm-leaderboard/results/blob/main/org/other/results_2024.json", "org/other/blob/main/README.md",
     "datasets/open-llm-leaderboard/org__other-details/viewer"],
)  # fmt: skip
def test_addresses_that_name_a_model(address: str) -> None:
    ((found,), _) = card("org/name", source={"url": f"https://huggingface.co/{address}"})
    assert found.set_apart == "of another model, by its source: org/other"
    ((found,), _) = card("org/other", source={"url": f"https://huggingface.co/{address}"})
    assert found.set_apart is None


@pytest.mark.parametrize(
    ("model", "index", "source", "words"),
    [("org/qwen-7b-tuned-4bit", "qwen-7b-tuned", "", "the unquantised one, by its model-index"),
     ("org/qwen-7b-tuned-GPTQ-Int4", "Qwen-7B-Tuned", "own run", "the unquantised one, by its model-index"),
     ("org/qwen-7b-tuned", "qwen-7b-tuned-AWQ", "", "of quantised weights, by its model-index")],
)  # fmt: skip
def test_an_index_of_the_unquantised_model(model: str, index: str, source: str, words: str) -> None:
    ((found,), _) = card(model, index=index, source={"name": source})
    assert found.set_apart is not None and words in found.set_apart


@pytest.mark.parametrize(
    ("model", "index", "source"),
    [("org/q-4bit", "q-4bit", ""), ("org/q-4bit", "q", "4-bit run"), ("org/q_4bit", "Q 4bit", ""), ("org/q", "q", "")],
)
def test_an_index_of_this_copy(model: str, index: str, source: str) -> None:
    ((found,), _) = card(model, index=index, source={"name": source})
    assert found.set_apart is None


def test_the_sources_name_stands_beside_its_address() -> None:
    ((found,), _) = card(source={"url": "https://example.org/run", "name": "our harness"})
    assert found.source == "https://example.org/run" and "its source is called our harness" in found.notes


@pytest.mark.parametrize(
    ("name", "source", "value", "accuracy"),
    [("MMLU-Pro", {"name": "own lm-eval run, Open LLM Leaderboard v2 settings"}, 30.2, 0.302), ("MMLU-Pro",
     {"name": "Not from the Open LLM Leaderboard"}, 30.2, 0.302), ("MMLU-Pro",
     {"name": "comparable with the Open LLM Leaderboard"}, 30.2, 0.302), ("MMLU-Pro",
     {"name": "settings from the Open LLM Leaderboard"}, 30.2, 0.302), ("MMLU-PRO (5-shot)",
     {"name": "lm-evaluation-harness"}, 0.3052, 0.3052), ("MMLU-PRO (5-shot)",
     {"url": "https://example.org/run"}, 30.52, 0.3052)],
)  # fmt: skip
def test_points_of_other_runs_are_not_converted(
    name: str, source: dict[str, str], value: float, accuracy: float
) -> None:
    ((found,), _) = card(name=name, source=source, value=value)
    assert found.value == pytest.approx(accuracy) and found.set_apart is None


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("MMLU-Pro", {"name": "taken from the Open LLM Leaderboard"}),
        ("Open LLM Leaderboard (MMLU-Pro)", {"name": "card"}),
    ],
)
def test_points_of_unknown_unit_are_set_apart(name: str, source: dict[str, str]) -> None:
    ((found,), _) = card(name=name, source=source, value=30.2)
    assert found.set_apart is not None and "perhaps normalised points" in found.set_apart


def test_a_card_of_another_models_index_says_so() -> None:
    ((found,), _) = card(index="zephyr-7b")
    assert "its model-index is of zephyr-7b" in found.notes
