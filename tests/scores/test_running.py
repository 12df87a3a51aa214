"""`shape-audit score`: the real lm-eval on a real model, its files, and what becomes of runs that went wrong."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import datasets
import pytest

from shape_audit.errors import IncompleteError, NotAuditableError, UsageError
from shape_audit.scores import ScoreOptions, known_scores, score
from tests.conftest import Program
from tests.moments import stopping_at
from tests.parallel.test_processes_of_run import launched
from tests.scores.questions import SUBJECTS, write_questions

ASKED = "TIGER-Lab/MMLU-Pro"
"""From the working directory."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def found_by_lm_eval(task: str, metric: str, model: Path, *, given: str = "", **settings: object) -> float:
    """The accuracy that lm-eval's own model and tasks come to in the working directory."""
    from lm_eval import simple_evaluate, tasks

    from shape_audit.scores.installed_packages import packages_listed_here

    stock = [folder for folder in Path(tasks.__file__).parent.glob("**/mmlu_pro") if "llama" not in folder.parts]
    with packages_listed_here():
        found = simple_evaluate(
            model="hf", model_args=f"pretrained={model}{given}", tasks=[task], batch_size=16, device="cpu",
            task_manager=tasks.TaskManager(include_path=stock, include_defaults=False), **settings,
        )  # fmt: skip
    accuracy: float = found["results"][task][metric]
    return accuracy


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a question a subject, and a cache of its own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_questions(tmp_path)
    return tmp_path


def test_letters_of_our_own_questions(
    questions: Path, tiny_llama: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(questions)
    results = questions / "results"
    done = program("score", tiny_llama, "--questions", ASKED, "--results", results, "-f", "json", **OFFLINE)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["scores"]
    expected = found_by_lm_eval("leaderboard_mmlu_pro", "acc,none", tiny_llama, given=",prefix_token_id=0")
    assert found["value"] == pytest.approx(expected, abs=1e-12)
    assert found["protocol"] == "lm-eval:leaderboard_mmlu_pro@0.1" and found["provider"] == "run"
    assert found["model"] == "tiny-llama" and len(found["revision"]) == 64
    assert found["n"] == len(SUBJECTS) and found["is_limited"], "14 of MMLU-Pro's 12,032 questions are no score"
    assert "14 of 14 prompts were longer than the 64 tokens" in found["notes"][-1]
    assert not list((results / "partial").iterdir()), "answers are kept until the results are saved"
    (file,) = results.glob("tiny-llama/*/results_*.json")
    assert f"[package] transformers=={version('transformers')}\n" in json.loads(file.read_text())["pretty_env_info"]
    known = known_scores(str(tiny_llama), runs=results, posted=False)
    assert [known.model_dump(exclude={"among_size"}) for known in known.scores] == [
        {key: value for key, value in found.items() if key != "among_size"}
    ]


@pytest.mark.long
def test_the_accuracy_is_what_lm_evals_own_command_prints(
    questions: Path, tiny_llama: Path, clean_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the 14,000 files of all its tasks first; other tests ask lm-eval in this process."""
    task, model = "leaderboard_mmlu_pro", f"pretrained={tiny_llama},prefix_token_id=0"
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", model, "--tasks", task,
         "--batch_size", "16", "--device", "cpu"],
        cwd=questions, env=clean_environment | OFFLINE, capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    line = [line for line in done.stdout.splitlines() if re.match(rf"\|{task} *\|", line)][-1]
    printed = float(line.split("|")[7])  # tasks, version, filter, n-shot, metric, direction, value
    monkeypatch.chdir(questions)
    run = score(str(tiny_llama), questions=Path(ASKED), results=Path("runs"))
    assert run is not None and run.record.value == pytest.approx(printed, abs=5e-5)


def test_chain_of_thought_and_its_protocol(questions: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoTokenizer

    monkeypatch.chdir(questions)
    options = ScoreOptions(questions=Path(ASKED), protocol="cot", max_gen_toks=8, results=questions / "runs")
    with pytest.raises(NotAuditableError, match="no EOS token"):
        score(str(tiny_llama), options)
    model = questions / "with-eos"
    shutil.copytree(tiny_llama, model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.eos_token = "~"
    tokenizer.save_pretrained(model)
    run = score(str(model), options)
    assert run is not None and run.record.protocol.endswith("+max_gen_toks=8"), run
    (file,) = (questions / "runs").glob("with-eos/*/results_*.json")
    assert json.loads(file.read_text())["results"]["mmlu_pro"]["exact_match,custom-extract"] == 0
    assert len(list(file.parent.glob("samples_mmlu_pro_*.jsonl"))) == len(SUBJECTS)


@pytest.mark.long
@pytest.mark.parametrize(("protocol", "limit"), [("letters", 20), ("cot", 1), ("cot", 20)])
def test_real_questions(
    materials: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch, protocol: str, limit: int
) -> None:
    (tmp_path / "TIGER-Lab").mkdir()
    (tmp_path / "TIGER-Lab" / "MMLU-Pro").symlink_to(materials / "mmlu-pro")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    model = materials / "tiny-stories-260k"
    arguments = ["--protocol", protocol, "--limit", str(limit), "--batch-size", "32", "-f", "json"]
    if protocol == "cot":
        arguments += ["--max-gen-toks", "64"]
        stock = {"task": "mmlu_pro", "metric": "exact_match,custom-extract", "gen_kwargs": {"max_gen_toks": 64}}
    else:
        stock = {"task": "leaderboard_mmlu_pro", "metric": "acc,none"}
    done = program("score", model, "--questions", ASKED, *arguments, "--results", "runs", **OFFLINE)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["scores"]
    assert found["value"] == pytest.approx(found_by_lm_eval(model=model, limit=limit, **stock), abs=1e-12)
    assert found["is_limited"] and found["n"] == limit * (len(SUBJECTS) if protocol == "cot" else 1)


def test_a_killed_run_goes_on(
    questions: Path, tiny_llama: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL where its results are about to be saved; of its answers fifty are kept, and a part of one."""
    monkeypatch.chdir(questions)
    words = ("score", tiny_llama, "--results", "runs", "--questions", ASKED)
    with stopping_at(["open results_"], questions, lambda hooks: program.start(*words, hooks=hooks, **OFFLINE)) as run:
        assert run.next_moment(), run.process.communicate()
    (file,) = (questions / "runs" / "partial").glob("*.jsonl")
    kept = file.read_bytes().splitlines(keepends=True)
    assert len(kept) > 100
    file.write_bytes(b"".join(kept[:50]) + b'["cut off by the ki')
    again = score(str(tiny_llama), questions=Path(ASKED), results=Path("runs"))
    anew = score(str(tiny_llama), questions=Path(ASKED), results=Path("anew"), resume=False)
    assert again is not None and anew is not None
    assert again.record.value == anew.record.value and again.record.n == 14
    assert not file.exists()


def test_damaged_answers_are_forgotten(questions: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shape_audit.hub import read_checkpoint
    from shape_audit.scores.running import _answers

    monkeypatch.chdir(questions)
    options = ScoreOptions(results=questions / "runs", limit=2, questions=Path(ASKED))
    file = Path(f"{_answers(read_checkpoint(str(tiny_llama)), options)}_rank0.jsonl")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"SQLite format 3\0" + os.urandom(5000) + b"\n[1, 2]\n" + b"[" * 100_000)
    run = score(str(tiny_llama), options)
    assert run is not None and run.record.n == 2 and not file.exists()


def test_results_that_were_not_saved_are_no_success(tmp_path: Path) -> None:
    from lm_eval.loggers import EvaluationTracker

    from shape_audit.errors import CorruptFileError
    from shape_audit.scores.harness import HarnessRun, save
    from shape_audit.scores.running import _verified
    from tests.scores.test_lm_eval_files import letters

    def saved(folder: Path) -> tuple[Path, HarnessRun]:
        tracker = EvaluationTracker(output_path=str(folder))
        tracker.general_config_tracker.log_experiment_args("hf", "pretrained=org/name", None, None, False)
        run = HarnessRun(letters(), {}, tracker)
        return save(run), run

    path, run = saved(tmp_path)
    assert _verified(path, run, time.time(), 1).model == "org/name"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # a disk that is full after 1,000 bytes
    try:
        path, run = saved(tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(CorruptFileError, match="not a JSON file"):
        _verified(path, run, time.time(), 1)
    (tmp_path / "file").write_text("")
    path, run = saved(tmp_path / "file" / "folder")
    with pytest.raises(IncompleteError, match="were not saved"):
        _verified(path, run, time.time(), 1)


def test_what_cannot_be_scored(
    questions: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(questions)
    results = tmp_path / "runs"
    for changes, words in (
        ({"max_gen_toks": 8}, "goes with --protocol cot"),
        ({"limit": 0}, "--limit must be at least 1"),
        ({"batch_size": "many"}, "--batch-size must be auto"),
        ({"protocol": "guess"}, "--protocol must be one of"),
        ({"protocol": "cot"}, "generates up to 2,048 tokens, and the model has 64 positions"),
        ({"device": "mps"}, "sees no MPS device"),
    ):
        with pytest.raises(UsageError, match=words):
            score(str(tiny_llama), results=results, questions=Path(ASKED), **changes)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_text("")
    with pytest.raises(NotAuditableError, match="pickled weights only"):
        score(str(pickled), results=results, questions=Path(ASKED))
    for name, value in launched(0, 2).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="among GPUs only, and 2 processes have 0"):
        score(str(tiny_llama), results=results, questions=Path(ASKED))


def test_a_model_without_a_tokenizer(
    questions: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(questions)
    model = shutil.copytree(tiny_llama, tmp_path / "speechless")
    for file in model.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(IncompleteError, match="its tokenizer cannot be loaded"):
        score(str(model), results=tmp_path / "runs", questions=Path(ASKED))


def test_questions_that_cannot_be_had(tiny_llama: Path, program: Program) -> None:
    done = program("score", tiny_llama, **OFFLINE)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("shape-audit: TIGER-Lab/MMLU-Pro: ") and done.stderr.count("\n") == 1


def test_a_file_of_an_earlier_run_is_not_taken_for_this_one(questions: Path, tiny_llama: Path) -> None:
    from shape_audit.scores.harness import HarnessRun
    from shape_audit.scores.running import _verified
    from tests.scores.test_lm_eval_files import letters

    file = questions / "results_x.json"
    file.write_text(json.dumps(letters()))
    run = HarnessRun({}, {}, None)
    assert _verified(file, run, time.time(), 0).value == 0.3125
    with pytest.raises(IncompleteError, match="of an earlier run"):
        _verified(file, run, time.time() + 10, 0)
    with pytest.raises(IncompleteError, match="questions were scored of 99999"):
        _verified(file, run, time.time(), 99_999)
    with pytest.raises(IncompleteError, match="samples were not saved"):
        _verified(file, HarnessRun({}, {"leaderboard_mmlu_pro": [{}]}, None), time.time(), 0)
    (questions / "samples_leaderboard_mmlu_pro_x.jsonl").write_text("{}\n")
    with pytest.raises(IncompleteError, match="1 samples were saved of 2"):
        _verified(file, HarnessRun({}, {"leaderboard_mmlu_pro": [{}, {}]}, None), time.time(), 0)
