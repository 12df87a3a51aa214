"""The scores an audit lists: where each is from, what is said of those that do not fit, and one that is run."""

import json
from pathlib import Path

import datasets
import pytest

import shape_audit
from shape_audit.records import AuditRecord, read_record
from shape_audit.scores import ScoreOptions
from tests.conftest import Program
from tests.findings import findings
from tests.loopback_hub import LoopbackHub
from tests.scores.questions import write_questions
from tests.scores.test_lm_eval_files import letters
from tests.scores.test_published_and_posted import CARD, EVAL_RESULTS


def results(folder: Path, model: str) -> Path:
    folder.mkdir()
    (folder / "results_x.json").write_text(json.dumps(letters() | {"model_name": model}))
    return folder


def test_posted_and_imported_scores_stand_in_the_record(
    tiny_llama: Path, tmp_path: Path, program: Program, hub: LoopbackHub
) -> None:
    files = {path.name: path.read_bytes() for path in tiny_llama.iterdir()}
    sha = hub.add_model("org/name", files | {"README.md": CARD.encode(), ".eval_results/a.yaml": EVAL_RESULTS.encode()})
    imported = results(tmp_path / "runs", "org/name")
    arguments = ("audit", "org/name", "--shape-only", "--scores", imported, "--records", tmp_path / "records")
    done = program(*arguments, HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "records").glob("*.json")
    record = read_record(file)
    assert record.scores and {score.provider for score in record.scores} == {"posted", "import"}
    assert all(score.revision == sha for score in record.scores if score.provider == "posted")
    assert any("of commit" in note and f"not {sha[:12]}" in note for note in record.notes), "another revision"
    assert "MMLU-Pro scores known for org/name" in done.stdout and "posted, unverified" in done.stdout
    file.unlink()
    again = program(*arguments, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert again.returncode == 0 and findings(read_record(file)) == findings(record), again.stderr
    without = program(*arguments, "--no-posted", "-f", "markdown", HF_ENDPOINT=hub.endpoint)
    assert "posted" not in without.stdout and "| \\[1\\] |" in without.stdout


def test_published_scores_and_the_residual_among_models_of_its_size(
    tiny_llama: Path, program: Program, hub: LoopbackHub
) -> None:
    hub.add_model("Qwen/Qwen2.5-0.5B", {path.name: path.read_bytes() for path in tiny_llama.iterdir()})
    done = program("audit", "Qwen/Qwen2.5-0.5B", "--shape-only", "-f", "json", HF_ENDPOINT=hub.endpoint)
    (score,) = AuditRecord.model_validate_json(done.stdout).scores or []
    assert score.provider == "published" and score.among_size is None, "nothing is as small as these weights"


def test_a_file_that_is_none_is_said_and_ends_only_a_strict_audit(tiny_llama: Path, tmp_path: Path) -> None:
    (tmp_path / "results_x.json").write_text("{}")
    paths = (tmp_path / "results_x.json", results(tmp_path / "runs", str(tiny_llama)))
    record = shape_audit.audit(str(tiny_llama), shape_only=True, scores=paths)
    assert any("results_x.json: not read: not a result file" in note for note in record.notes)
    assert record.scores and record.scores[0].model == record.model.repo_id
    with pytest.raises(shape_audit.IncompleteError, match=r"1 result files cannot be used \(--strict\)"):
        shape_audit.audit(str(tiny_llama), shape_only=True, scores=paths, strict=True)


def test_damaged_runs_of_this_program_are_said_and_passed_over(tiny_llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "tiny-llama" / "x"
    folder.mkdir(parents=True)
    (folder / "results_x.json").write_text('{"results": ')
    record = shape_audit.audit(str(tiny_llama), shape_only=True, runs=tmp_path / "runs")
    assert record.scores is None and any("not a JSON file" in note for note in record.notes)


def test_score_runs_and_is_known_from_then_on(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    score = ScoreOptions(results=tmp_path / "runs", questions=write_questions(tmp_path))
    runs = tmp_path / "runs"
    record = shape_audit.audit(str(tiny_llama), shape_only=True, score=score, runs=runs)
    assert record.scores and [score.provider for score in record.scores] == ["run"]
    assert record.scores[0].revision == record.model.revision and record.scores[0].is_limited
    later = shape_audit.audit(str(tiny_llama), shape_only=True, runs=runs)
    assert later.scores == record.scores and findings(later) == findings(record)
