"""Files and folders of any layout: what can be used is read, all else is named with its reason, nothing stops."""

import json
from pathlib import Path
from typing import Any

import pytest

from shape_audit.errors import IncompleteError
from shape_audit.scores import LM_EVAL_COT, LM_EVAL_LETTERS, read_scores, summary_of_skipped
from shape_audit.scores.readings import questions_by_subject
from tests.scores.result_files import lighteval, official_summary, one_subject, write
from tests.scores.test_lm_eval_files import cot, letters


def reasons(folder: Path) -> dict[str, str]:
    return {one.file: one.reason for one in read_scores([folder]).skipped}


BAD = {
    "results_cut.json": (json.dumps(letters())[:300], "cut off"),
    "results_empty.json": ("", "it is empty"),
    "results_zero.json": ("\0" * 100, "it is empty"),
    "results_html.json": ("<html>", "not a JSON file"),
    "results_list.json": ("[1, 2]", "not a result file of anything known"),
    "results_arc.json": ('{"results": {"arc_easy": {"acc,none": 0.5}}}', "no MMLU-Pro task in it, only arc_easy"),
    "results_plus.json": ('{"results": {"mmlu_pro_plus": {"acc,none": 0.5}}}', "mmlu_pro_plus is another benchmark"),
    "results_nan.json": (
        json.dumps(letters() | {"results": {"leaderboard_mmlu_pro": {"acc,none": float("nan")}}}), "it is nan"),
    "results_predicted.json": (
        json.dumps(letters() | {"results": {"leaderboard_mmlu_pro": {"bypass,none": 999}}}), "--predict_only"),
    "results_percent.json": (
        json.dumps(letters() | {"results": {"leaderboard_mmlu_pro": {"acc,none": 33.27}}}), "33.27, which no run"),
    "all_results.json": ('{"eval_loss": 1.5, "epoch": 3.0}', "trainer"),
    "results.json": ('{"results": {}}', "no task in it"),
    "results_huge.json": (
        '{"results": {"leaderboard_mmlu_pro": {"acc,none": 1' + "0" * 400 + "}}}", "has no acc,none"),
    "my-mmlu-pro.json": ('{"score": 5}', "not a result file of anything known"),
}  # fmt: skip


def test_one_bad_file_never_stops_the_others(tmp_path: Path) -> None:
    for name, (text, _) in BAD.items():
        write(tmp_path / name, text)
    write(tmp_path / "z" / "results_good.json", letters())
    (tmp_path / "results_folder.json").mkdir()
    (tmp_path / "results_gone.json").symlink_to(tmp_path / "nowhere")
    read = read_scores([tmp_path])
    assert [score.value for score in read.scores] == [0.3125]
    said = {one.file: one.reason for one in read.skipped}
    assert said.keys() == {*BAD, "results_gone.json"} and "a link to a file" in said["results_gone.json"]
    for name, (_, words) in BAD.items():
        assert words in said[name], name
    with pytest.raises(IncompleteError, match=r"15 result files cannot be used \(--strict\)"):
        read_scores([tmp_path], strict=True)
    with pytest.raises(IncompleteError, match="No such file"):
        read_scores([tmp_path, tmp_path / "absent"])


def test_a_task_that_is_damaged_leaves_the_other_of_its_file(tmp_path: Path) -> None:
    both = letters() | cot()
    both["results"] = cot()["results"] | {"leaderboard_mmlu_pro": {"acc,none": "N/A"}}
    read = read_scores([write(tmp_path / "results_both.json", both)])
    assert [score.protocol for score in read.scores] == [LM_EVAL_COT] and "it is 'N/A'" in read.skipped[0].reason


@pytest.mark.parametrize(
    "name",
    ["results.json", "results_2026-01-01T00-00-00.000001.json", "pythia_2026-01-01T00-00-00.123456.json", "run.json",
     "deep/in/org__name/anything.json", "RESULTS_X.JSON"],
)  # fmt: skip
def test_any_name_of_a_result_file_will_do(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, letters())
    assert len(read_scores([tmp_path]).scores) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_any_encoding_of_unicode_will_do(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(json.dumps(letters()).encode(encoding))
    assert len(read_scores([tmp_path]).scores) == 1


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "results_a.json", letters())
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to(tmp_path / "elsewhere")
    (top / "link" / "loop").symlink_to(top)
    (top / "again").symlink_to(tmp_path / "elsewhere" / "results_a.json")
    read = read_scores([top])
    assert [score.source for score in read.scores] == ["link/results_a.json"] and read.skipped == ()


def test_what_is_no_result_file_at_all_is_only_counted(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"hidden_size": 64})
    write(tmp_path / "notes.json", {"a": 1})
    write(tmp_path / "broken.json", "{")
    read = read_scores([write(tmp_path / "results.json", letters()).parent])
    assert len(read.scores) == 1 and read.skipped == () and read.other_files == 2
    assert reasons(write(tmp_path / "sub" / "x.txt", "").parent) == {str(tmp_path / "sub"): "no result files in it"}


def test_copies_are_one_score_with_their_number(tmp_path: Path) -> None:
    for name in ("a/results_1.json", "b/results_1.json", "c/results_9.json"):
        write(tmp_path / name, letters())
    write(tmp_path / "again.json", letters() | {"date": 1795999999.0})
    first, second = read_scores([tmp_path, tmp_path / "a"]).scores
    assert second.notes == ["the same result stands in 3 files: a/results_1.json, b/results_1.json, c/results_9.json"]
    assert first.source == "again.json" and first.notes == []


def test_single_subjects_of_one_run_are_one_score(tmp_path: Path) -> None:
    for number, (subject, n) in enumerate(questions_by_subject().items()):
        name = "org/name" if number % 2 else "Org/Name"  # as two people typed it
        write(tmp_path / f"results_{number}.json", one_subject(subject, 0.2 + number / 100, model_name=name))
        assert n > 0
    (score,) = read_scores([tmp_path]).scores
    expected = sum((0.2 + i / 100) * n for i, n in enumerate(questions_by_subject().values())) / 12032
    assert (score.value, score.n, score.is_limited) == (pytest.approx(expected), 12032, False)
    assert score.protocol == LM_EVAL_COT and "14 files" in score.notes[0]


@pytest.mark.parametrize(
    "edit", [{"dataset_path": "/data/MMLU-Pro"}, {"doc_to_text": "{{question}}"}, {"dataset_name": "{}"}]
)
def test_one_edit_has_one_name_in_one_file_and_in_14(edit: dict[str, str], tmp_path: Path) -> None:
    whole = cot()
    for task, config in whole["configs"].items():
        subject = task.removeprefix("mmlu_pro_")
        config |= {key: value.format(subject) if value == "{}" else value for key, value in edit.items()}
        write(tmp_path / f"results_{subject}.json", one_subject(subject, configs={task: config}))
    write(tmp_path / "results_all.json", whole)
    first, second = read_scores([tmp_path]).scores
    assert first.protocol == second.protocol and first.protocol.startswith(f"{LM_EVAL_COT}+edited=")
    whole["configs"]["mmlu_pro_law"] = cot()["configs"]["mmlu_pro_law"]
    write(tmp_path / "results_all.json", whole)
    assert len({score.protocol for score in read_scores([tmp_path]).scores}) == 2, "not all subjects are edited"


def test_subjects_of_two_dtypes_are_in_neither(tmp_path: Path) -> None:
    for number, subject in enumerate(questions_by_subject()):
        model = {"pretrained": "org/name", "dtype": "float16" if number % 2 else "bfloat16"}
        config = {"model": "hf", "model_args": model}
        write(tmp_path / f"results_{subject}.json", one_subject(subject, config=config))
    assert [(score.n, score.dtype) for score in read_scores([tmp_path]).scores] == [(12032, None)]


def test_subjects_that_are_no_whole_run_stay_apart(tmp_path: Path) -> None:
    subjects = list(questions_by_subject())
    for subject in subjects[:13]:
        write(tmp_path / f"results_{subject}.json", one_subject(subject))
    other_model = one_subject(subjects[13], model_name="org/other")
    limited = one_subject(subjects[13])
    limited["n-samples"] = {f"mmlu_pro_{subjects[13]}": {"original": 798, "effective": 20}}
    write(tmp_path / "results_strange.json", other_model)
    write(tmp_path / "results_limited.json", limited)
    scores = read_scores([tmp_path]).scores
    assert len(scores) == 15 and all(score.is_limited for score in scores)
    assert {note for score in scores for note in score.notes} >= {"1 of 14 subjects", "only law", "only psychology"}


def test_equal_accuracies_of_different_subjects_are_no_copies(tmp_path: Path) -> None:
    """With a limit they come in steps."""
    for subject in ("biology", "law", "physics"):
        limited = one_subject(subject, 0.25)
        limited["n-samples"][f"mmlu_pro_{subject}"]["effective"] = 20
        for name in ("results_a.json", "results_b.json"):
            write(tmp_path / subject / name, limited)
    scores = read_scores([tmp_path]).scores
    assert sorted(note for score in scores for note in score.notes if note.startswith("only")) == [
        "only biology", "only law", "only physics",
    ]  # fmt: skip
    assert all("the same result stands in 2 files" in score.notes[-1] for score in scores)


def test_a_text_that_was_given_by_name_is_never_passed_over_in_silence(tmp_path: Path) -> None:
    text = "Finished\nTotal, 4812/12032, 39.99%\n"
    for name in ("report.txt", "mmlu_pro_report.txt", "summary.txt"):
        write(tmp_path / name, text)
    assert list(reasons(tmp_path)) == ["mmlu_pro_report.txt"], "of a folder's, one that has the benchmark's name"
    assert "not a result file of anything known" in reasons(tmp_path / "report.txt")["report.txt"]
    with pytest.raises(IncompleteError, match="1 result files cannot be used"):
        read_scores([tmp_path / "report.txt"], strict=True)


def test_a_missing_count_is_not_taken_for_a_missing_number(tmp_path: Path) -> None:
    content = one_subject("law")
    del content["n-samples"]
    assert reasons(write(tmp_path / "results_x.json", content))["results_x.json"] == (
        "no mmlu_pro row, and not all subjects have exact_match,custom-extract and n-samples"
    )


def test_two_runs_by_subject_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for run, accuracy in (("a", 0.25), ("b", 0.3)):
        for subject in questions_by_subject():
            write(tmp_path / run / f"results_{subject}.json", one_subject(subject, accuracy))
    assert [score.value for score in read_scores([tmp_path]).scores] == pytest.approx([0.25, 0.3])


def test_lightevals_results_are_a_protocol_of_their_own(tmp_path: Path) -> None:
    (score,) = read_scores([write(tmp_path / "results_x.json", lighteval())]).scores
    assert (score.model, score.protocol, score.value, score.n) == ("org/name", "lighteval:mmlu_pro@0", 0.25, 12032)
    assert score.stderr == 0.004 and not score.is_limited


@pytest.mark.parametrize(
    ("change", "protocol", "is_limited"),
    [
        ({"key": "lighteval|mmlu_pro|5|0"}, "lighteval:mmlu_pro@0+shots=5", False),
        ({"key": "lighteval|mmlu_pro|0"}, "lighteval:mmlu_pro@0", False),
        ({"key": "custom|mmlu_pro|0"}, "lighteval:mmlu_pro@0+suite=custom", False),
        ({"key": "community|mmlu_pro|5|1"}, "lighteval:mmlu_pro@0+shots=5+suite=community", False),
        ({"config_tasks": {"mmlu_pro|0": {"original_num_docs": 12032, "effective_num_docs": 300}}},
         "lighteval:mmlu_pro@0", True),
        ({"key": "lighteval|mmlu_pro|0", "config_tasks": {"lighteval|mmlu_pro": {"effective_num_docs": 300}}},
         "lighteval:mmlu_pro@0", True),
        ({"config_general": {"model_name": "org/name", "generation_parameters": {"temperature": 0.6}}},
         "lighteval:mmlu_pro@0+temperature=0.6", False),
        ({"config_general": {"model_config": {"model_name": "org/name", "use_chat_template": True}}},
         "lighteval:mmlu_pro@0+chat_template=true", False),
        ({"results": {"mmlu_pro|0": {"choice": 0.25}}}, "lighteval:mmlu_pro@0+metric=choice", False),
    ],
)  # fmt: skip
def test_settings_of_lighteval_are_named(
    change: dict[str, Any], protocol: str, is_limited: bool, tmp_path: Path
) -> None:
    (score,) = read_scores([write(tmp_path / "results_x.json", lighteval(**change))]).scores
    assert (score.protocol, score.is_limited, score.value) == (protocol, is_limited, 0.25)


@pytest.mark.parametrize("task", ["custom|mmlu_pro_cf|0", "mmlu_pro_cloze|0", "lighteval|mmlu_prox:en|0"])
def test_other_ways_of_asking_in_lighteval_are_named_and_passed_over(task: str, tmp_path: Path) -> None:
    (skipped,) = read_scores([write(tmp_path / "results_x.json", lighteval(key=task))]).skipped
    assert skipped.reason.startswith(f"{task} is another benchmark than MMLU-Pro, or asks it in a way")


def test_subjects_of_lighteval_are_put_together(tmp_path: Path) -> None:
    for subject, n in questions_by_subject().items():
        task, counts = f"lighteval|mmlu_pro:{subject}", {"original_num_docs": n, "effective_num_docs": n}
        write(tmp_path / f"results_{subject}.json", lighteval(key=f"{task}|0", config_tasks={task: counts}))
    (score,) = read_scores([tmp_path]).scores
    assert (score.value, score.n, score.is_limited) == (0.25, 12032, False)


def test_quantised_runs_of_lighteval_are_not_the_models_own(tmp_path: Path) -> None:
    general = {"model_config": {"model_name": "org/name", "load_in_4bit": True}}
    (score,) = read_scores([write(tmp_path / "results_x.json", lighteval(config_general=general))]).scores
    assert score.model == "org/name+load_in_4bit"


def test_official_summaries_are_read_where_the_model_is_given(tmp_path: Path) -> None:
    path = write(tmp_path / "summary.json", official_summary())
    assert "give it as MODEL=PATH" in read_scores([path]).skipped[0].reason
    (score,) = read_scores([f"org/name={path}"]).scores
    assert (score.model, score.protocol) == ("org/name", "tiger-lab:evaluate_from_api")
    assert (score.value, score.n, score.is_limited) == (pytest.approx(1 / 3, abs=1e-3), 12032, False)
    for subject in questions_by_subject():
        write(tmp_path / "parts" / f"{subject}_summary.json", official_summary([subject]))
    (again,) = read_scores([f"org/name={tmp_path / 'parts'}"]).scores
    assert (again.value, again.n, again.is_limited) == (pytest.approx(score.value), 12032, False)
    damaged = official_summary() | {"law": {"corr": 1.0, "wrong": 1.0}}
    assert "do not add up" in read_scores([write(tmp_path / "bad_summary.json", damaged)]).skipped[0].reason


def test_the_local_scripts_summary_names_half_of_the_model(tmp_path: Path) -> None:
    lines = "".join(f"Average accuracy 0.2500 - {name.replace('_', ' ')}\n" for name in questions_by_subject())
    text = f"\n------category level sta------\n{lines}\n------average acc sta------\nAverage accuracy: 0.2512\n"
    path = write(tmp_path / "summary" / "Llama-2-7b-hf-CoT-all_06-01_12-00_summary.txt", text)
    (score,) = read_scores([tmp_path]).scores
    assert (score.model, score.value, score.n) == ("Llama-2-7b-hf", 0.2512, 12032)
    (score,) = read_scores([f"meta-llama/Llama-2-7b-hf={path}"]).scores
    assert score.model == "meta-llama/Llama-2-7b-hf" and score.protocol == "tiger-lab:evaluate_from_local"
    cut = write(tmp_path / "x-CoT-all_06-01_12-00_summary.txt", text.partition("------average")[0])
    assert "ends before its average" in read_scores([cut]).skipped[0].reason


FOREIGN = {
    "reports/m/mmlu_pro.json": (
        {"name": "m@mmlu_pro", "dataset_name": "mmlu_pro", "model_name": "m", "score": 0.4, "metrics": []},
        "evalscope"),
    "metrics.json": ({"all_primary_scores": ["mmlu_pro: 0.4"], "tasks": [], "model_config": {"model": "m"}}, "olmes"),
    "run_spec.json": ({"name": "mmlu_pro:subset=all", "adapter_spec": {}, "scenario_spec": {}}, "HELM"),
    "stats.json": ([{"name": {"name": "exact_match", "split": "test"}, "count": 1, "mean": 0.4}], "HELM"),
    "summary_20260101.csv": ("dataset,version,metric,mode,my-model\nmmlu_pro,-,mean,gen,45.2\n", "OpenCompass"),
    "eval_record_collection.csv": ("Llama-2-7b-hf,CoT,all,06-01_12-00,0.2012\n", "MMLU-Pro's own"),
    "results/law_result.json": ([{"question_id": 1, "pred": "A", "answer": "B"}], "MMLU-Pro's own"),
    "x/9d.json": ({"evaluation_results": [{"evaluation_name": "MMLU-PRO"}], "model_info": {}}, "Every Eval Ever"),
}  # fmt: skip


def test_other_layouts_are_named_and_passed_over(tmp_path: Path) -> None:
    for name, (content, _) in FOREIGN.items():
        write(tmp_path / name, content)
    said = reasons(tmp_path)
    assert said.keys() == FOREIGN.keys()
    for name, (_, words) in FOREIGN.items():
        assert words in said[name], name


def test_many_skipped_files_are_a_line_a_reason(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path / f"{number:02}" / "results.json", "{")
    write(tmp_path / "results.json", "<")
    first, second = summary_of_skipped(read_scores([tmp_path]).skipped)
    assert first.startswith("50 files not read: not a JSON file (cut off") and first.endswith("and 47 more")
    assert second == "results.json: not read: not a JSON file"


@pytest.mark.parametrize(
    ("limit", "n_samples", "is_limited"),
    [(None, None, False), (1.0, None, False), (20_000, None, False), (0.5, None, True), (100, None, True),
     (10**400, None, True), (1.0, (12032, 12032), False), (20_000, (12032, 12032), False), (0.15, (12032, 1805), True)],
)  # fmt: skip
def test_a_limit_is_one_where_it_leaves_questions_out(
    limit: float | None, n_samples: tuple[int, int] | None, is_limited: bool, tmp_path: Path
) -> None:
    content = letters()
    content["config"]["limit"] = limit
    del content["n-samples"]
    if n_samples:
        content["n-samples"] = {"leaderboard_mmlu_pro": {"original": n_samples[0], "effective": n_samples[1]}}
    (score,) = read_scores([write(tmp_path / "results.json", content)]).scores
    assert score.is_limited is is_limited and score.protocol == LM_EVAL_LETTERS
