"""Result files of lm-eval, of every kind seen: the right number with the right protocol, or a refusal."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.scores import LM_EVAL_COT, LM_EVAL_LETTERS, read_lm_eval

SUBJECTS = (
    "biology", "business", "chemistry", "computer_science", "economics", "engineering", "health", "history", "law",
    "math", "other", "philosophy", "physics", "psychology",
)  # fmt: skip
COUNTS = dict(zip(SUBJECTS, (717, 789, 1132, 410, 844, 969, 818, 381, 1101, 1351, 924, 499, 1299, 798), strict=True))
SHA = "0123456789abcdef0123456789abcdef01234567"


def letters() -> dict[str, Any]:
    """A whole run of the letters task, as lm-eval 0.4.13 writes it."""
    return {
        "results": {"leaderboard_mmlu_pro": {"alias": "leaderboard_mmlu_pro", "acc,none": 0.3125,
                                             "acc_stderr,none": 0.0042}},
        "configs": {"leaderboard_mmlu_pro": {"dataset_path": "TIGER-Lab/MMLU-Pro", "num_fewshot": 5,
                                             "output_type": "multiple_choice", "description": ""}},
        "versions": {"leaderboard_mmlu_pro": 0.1},
        "n-samples": {"leaderboard_mmlu_pro": {"original": 12032, "effective": 12032}},
        "config": {"model": "hf", "model_args": {"pretrained": "org/name"}, "model_sha": SHA, "limit": None},
        "date": 1795195093.6, "model_name": "org/name", "chat_template": None, "system_instruction": None,
    }  # fmt: skip


def cot() -> dict[str, Any]:
    """A whole run of the chain-of-thought tasks."""
    config = {
        "dataset_path": "TIGER-Lab/MMLU-Pro", "num_fewshot": 5, "output_type": "generate_until",
        "generation_kwargs": {"until": ["Question:"], "max_gen_toks": 2048, "do_sample": False, "temperature": 0.0},
        "filter_list": [{"name": "custom-extract", "filter": [
            {"function": "regex", "regex_pattern": r"answer is \(?([ABCDEFGHIJ])\)?"}, {"function": "take_first"}]}],
    }  # fmt: skip
    tasks = {f"mmlu_pro_{subject}": 0.2 + 0.01 * i for i, subject in enumerate(SUBJECTS)}
    row = {"exact_match,custom-extract": 0.268, "exact_match_stderr,custom-extract": 0.004, "alias": "mmlu_pro"}
    leaves = {
        task: {"exact_match,custom-extract": value, "exact_match_stderr,custom-extract": 0.01}
        for task, value in tasks.items()
    }
    return letters() | {
        "results": {**leaves, "mmlu_pro": row},
        "groups": {"mmlu_pro": row},
        "configs": {task: copy.deepcopy(config) for task in tasks},
        "versions": {"mmlu_pro": "2.0", **dict.fromkeys(tasks, 3.1)},
        "n-samples": {f"mmlu_pro_{s}": {"original": n, "effective": n} for s, n in COUNTS.items()},
    }


def read(content: Any, folder: Path) -> Any:
    path = folder / "results_2026-01-01T00-00-00.json"
    path.write_text(json.dumps(content))
    return read_lm_eval(path)


def test_a_whole_letters_run(tmp_path: Path) -> None:
    (score,) = read(letters(), tmp_path)
    assert (score.model, score.revision, score.protocol) == ("org/name", SHA, LM_EVAL_LETTERS)
    assert (score.value, score.stderr, score.n, score.is_limited) == (0.3125, 0.0042, 12032, False)
    assert (score.provider, score.date, score.notes) == ("import", "2026-11-20", [])


def test_a_whole_chain_of_thought_run(tmp_path: Path) -> None:
    (score,) = read(cot(), tmp_path)
    assert score.protocol == LM_EVAL_COT and score.value == 0.268 and score.n == 12032 and not score.is_limited


def test_the_group_may_be_anywhere_or_nowhere(tmp_path: Path) -> None:
    content = cot()
    del content["groups"]
    assert read(content, tmp_path)[0].value == 0.268
    content = cot()
    content["results"]["mmlu_pro"] = {"alias": "mmlu_pro"}
    assert read(content, tmp_path)[0].value == 0.268
    del content["groups"]
    (score,) = read(content, tmp_path)
    expected = sum((0.2 + 0.01 * i) * COUNTS[s] for i, s in enumerate(SUBJECTS)) / 12032
    assert score.value == pytest.approx(expected) and score.n == 12032
    assert "no row for all of them" in score.notes[0]


def test_what_older_versions_and_small_runs_write(tmp_path: Path) -> None:
    content = letters()
    content["results"]["leaderboard_mmlu_pro"]["acc_stderr,none"] = "N/A"
    content["config"]["model_args"] = "pretrained=org/other,dtype=float16"
    content["config"]["model_sha"] = ""
    del content["model_name"], content["n-samples"]
    (score,) = read(content, tmp_path)
    assert (score.model, score.revision, score.stderr, score.n) == ("org/other", None, None, None)
    assert score.notes == ["the file does not say how many questions were asked"]
    content["results"] = {"leaderboard_mmlu_pro": {"acc": 0.25, "acc_stderr": 0.01}}
    assert read(content, tmp_path)[0].value == 0.25


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("config", "limit"), 20),
        (("n-samples", "leaderboard_mmlu_pro"), {"original": 12032, "effective": 20}),
        (("n-samples", "leaderboard_mmlu_pro"), {"original": 20, "effective": 20}),
    ],
)
def test_a_limited_run_is_marked(where: tuple[str, str], value: Any, tmp_path: Path) -> None:
    content = letters()
    content[where[0]][where[1]] = value
    assert read(content, tmp_path)[0].is_limited


def test_a_run_of_some_subjects_is_limited(tmp_path: Path) -> None:
    content = cot()
    for subject in SUBJECTS[3:]:
        del content["results"][f"mmlu_pro_{subject}"]
    (score,) = read(content, tmp_path)
    assert score.is_limited and "3 of 14 subjects" in score.notes


@pytest.mark.parametrize(
    ("change", "protocol"),
    [
        (lambda c: c["generation_kwargs"].update(max_gen_toks=64), f"{LM_EVAL_COT}+max_gen_toks=64"),
        (lambda c: c.update(num_fewshot=0), f"{LM_EVAL_COT}+shots=0"),
        (lambda c: c["generation_kwargs"].update(temperature=0.7), f"{LM_EVAL_COT}+temperature=0.7"),
        (lambda c: c["filter_list"][0]["filter"][0].update(regex_pattern="([A-J])"), f"{LM_EVAL_COT}+edited="),
        (lambda c: c.update(dataset_path="org/mine"), f"{LM_EVAL_COT}+edited="),
    ],
)
def test_a_setting_that_matters_makes_another_protocol(change: Any, protocol: str, tmp_path: Path) -> None:
    content = cot()
    for config in content["configs"].values():
        change(config)
    (score,) = read(content, tmp_path)
    assert score.protocol.startswith(protocol) and score.protocol != LM_EVAL_COT


def test_chat_templates_and_versions_make_another_protocol(tmp_path: Path) -> None:
    content = letters() | {"chat_template_sha": "abc123", "system_instruction_sha": None}
    assert read(content, tmp_path)[0].protocol == f"{LM_EVAL_LETTERS}+chat_template=abc123"
    content = letters() | {"versions": {"leaderboard_mmlu_pro": "0.2"}}
    assert read(content, tmp_path)[0].protocol == "lm-eval:leaderboard_mmlu_pro@0.2"
    content = letters() | {"versions": {"leaderboard_mmlu_pro": "N/A"}}
    assert read(content, tmp_path)[0].protocol == "lm-eval:leaderboard_mmlu_pro@unknown"
    mixed = cot()
    mixed["versions"]["mmlu_pro_law"] = 3.0
    assert read(mixed, tmp_path)[0].protocol == "lm-eval:mmlu_pro@mixed"


@pytest.mark.parametrize("value", [1.5, -0.1, "N/A", "0.3", None, True, float("nan"), [0.3]])
def test_a_value_that_no_run_gives_is_refused(value: Any, tmp_path: Path) -> None:
    content = letters()
    content["results"]["leaderboard_mmlu_pro"]["acc,none"] = value
    with pytest.raises(CorruptFileError, match=r"which no run gives|has no acc,none"):
        read(content, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": []}', "[" * 10_000, '{"results": {"arc": {"acc": 1}'])
def test_what_is_no_result_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(CorruptFileError):
        read_lm_eval(tmp_path / "results.json")


@pytest.mark.parametrize("part", ["configs", "versions", "n-samples", "config", "groups", "date", "model_name"])
def test_any_other_part_may_be_of_any_kind(part: str, tmp_path: Path) -> None:
    for value in (None, 5, "x", [], [1], {"mmlu_pro_law": 5}, {"mmlu_pro_law": {"effective": "x"}}):
        for content in (letters(), cot()):
            try:
                scores = read(content | {part: value}, tmp_path)
            except CorruptFileError:
                continue
            assert all(0 <= score.value <= 1 for score in scores)


def test_other_tasks_are_passed_over_and_folders_read(tmp_path: Path) -> None:
    assert read({"results": {"arc_easy": {"acc,none": 0.5}, "mmlu_pro_plus": {"acc,none": 0.1}}}, tmp_path) == []
    (tmp_path / "empty").mkdir()
    with pytest.raises(IncompleteError, match="no result files"):
        read_lm_eval(tmp_path / "empty")
    (tmp_path / "org__name").mkdir()
    (tmp_path / "org__name" / "results_2026-01-02T00-00-00.json").write_text(json.dumps(letters() | cot()))
    (tmp_path / "org__name" / "samples_x.jsonl").write_text("{")
    assert [score.protocol for score in read_lm_eval(tmp_path)] == [LM_EVAL_COT]


def test_real_files_are_read(materials: Path) -> None:
    scores = read_lm_eval(materials / "lm-eval-results")
    assert len(scores) == 5 and all(score.is_limited for score in scores)
    by_protocol = {score.protocol: score for score in scores}
    assert set(by_protocol) == {f"{LM_EVAL_COT}+max_gen_toks=64", f"{LM_EVAL_COT}+max_gen_toks=32", LM_EVAL_LETTERS}
    assert {(score.value, score.n) for score in scores if score.protocol == LM_EVAL_LETTERS} == {(0.05, 20), (0.5, 2)}
    assert {score.revision for score in scores} == {None, "73824563df068d6f3b7c2739f52982f000f6f969"}
