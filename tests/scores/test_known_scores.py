"""All scores of a model, side by side: none chosen, none pooled, what does not fit said."""

import json
import shutil
from pathlib import Path

import pytest

from shape_audit.hub import parse_model, read_checkpoint
from shape_audit.scores import LM_EVAL_LETTERS, known_scores
from tests.conftest import Program
from tests.loopback_hub import LoopbackHub
from tests.scores.test_lm_eval_files import SHA, letters
from tests.scores.test_published_and_posted import CARD, EVAL_RESULTS
from tests.tiny_models import save_tiny


def results(folder: Path, name: str, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"results_{name}.json").write_text(json.dumps(letters() | changes))
    return folder


def test_scores_that_disagree_are_both_shown(tmp_path: Path) -> None:
    folder = results(tmp_path / "runs", "a")
    other = letters()["results"]
    other["leaderboard_mmlu_pro"]["acc,none"] = 0.35
    results(folder, "b", results=other)
    known = known_scores("org/name", scores=[folder], posted=False)
    assert [score.value for score in known.scores] == [0.3125, 0.35]
    assert known.warnings == (f"2 scores of {LM_EVAL_LETTERS} disagree by 3.75 points; none was chosen",)


def test_other_models_and_other_revisions_are_told_apart(tmp_path: Path) -> None:
    folder = results(results(tmp_path / "runs", "a"), "b", model_name="other/name")
    known = known_scores("org/name@" + "f" * 40, scores=[folder], posted=False)
    assert [score.model for score in known.scores] == ["org/name"]
    assert known.warnings == (
        "1 score of another model was passed over (lm-eval): other/name",
        "if other/name is org/name, say so: --scores org/name=PATH",
        f"results_a.json: of commit {SHA[:12]}, not ffffffffffff",
    )


def test_a_run_of_a_subfolder_is_named_and_no_other_name_of_the_model(tmp_path: Path) -> None:
    results(tmp_path, "a", config={"model": "hf", "model_args": "pretrained=org/name,subfolder=step_100"})
    said = known_scores("org/name", scores=[tmp_path], posted=False).warnings
    assert said == ("1 score of another model was passed over (lm-eval): subfolder step_100 of org/name",)


def test_a_folder_is_known_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "run-1" / "final"
    model.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    runs = results(results(tmp_path / "runs", "a", model_name="run-1/final"), "b", model_name=f"{model}/")
    results(results(runs, "c", model_name="run-2/final"), "d", model_name="final")
    known = known_scores(model, scores=[runs], posted=False)
    assert [score.source for score in known.scores] == ["results_a.json", "results_b.json"]
    assert known.warnings[0] == "2 scores of other models were passed over (lm-eval): final, run-2/final"


@pytest.mark.parametrize("same_name", [True, False])
def test_a_saved_run_belongs_to_the_weights_that_were_run(tmp_path: Path, same_name: bool) -> None:
    ours = save_tiny(tmp_path / "run-1" / "final", "llama")
    other = save_tiny(tmp_path / "run-2" / ("final" if same_name else "last"), "gpt2")
    copy = shutil.copytree(ours, tmp_path / "copies" / "final")
    saved = tmp_path / "scores" / "final" / "somewhere"
    saved.mkdir(parents=True)
    made_by = {"model": "final", "revision": read_checkpoint(ours).revision, "notes": []}
    (saved / "results_a.json").write_text(json.dumps(letters() | {"shape_audit": made_by}))
    found = [len(known_scores(path, runs=tmp_path / "scores", posted=False).scores) for path in (ours, copy, other)]
    assert found == [1, 1, 0]


def test_scores_of_a_root_are_not_those_of_its_subfolder(tmp_path: Path) -> None:
    runs = results(tmp_path / "runs", "a")
    root, inside = parse_model("org/name"), parse_model("org/name", subfolder="sub")
    assert len(known_scores(root, scores=[runs], posted=False).scores) == 1
    assert known_scores(inside, scores=[runs], posted=False).scores == ()
    published = "meta-llama/Llama-3.1-8B"
    assert known_scores(published, posted=False).scores
    assert known_scores(parse_model(published, subfolder="original"), posted=False).scores == ()


@pytest.mark.parametrize(
    "text",
    ["META-llama/llama-3.1-8b", "https://huggingface.co/meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B@main",
     "huggingface.co/meta-llama/Llama-3.1-8B/tree/main"],
)  # fmt: skip
def test_every_way_to_name_a_model_finds_its_published_scores(text: str) -> None:
    assert len(known_scores(text, posted=False).scores) == len(
        known_scores("meta-llama/Llama-3.1-8B", posted=False).scores
    )


def test_a_folder_shows_its_own_card(tmp_path: Path) -> None:
    model = tmp_path / "name"
    model.mkdir()
    (model / "README.md").write_text(CARD)
    (model / ".eval_results").mkdir()
    (model / ".eval_results" / "a.yaml").write_text(EVAL_RESULTS)
    known = known_scores(str(model), scores=[results(tmp_path / "runs", "a", model_name=str(model))])
    assert [score.provider for score in known.scores] == ["import", "posted", "posted", "posted"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_posted_scores_are_read_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / ".eval_results").mkdir()
    (tmp_path / "README.md").write_text(f"\n\n{CARD}", encoding=encoding)
    (tmp_path / ".eval_results" / "a.yaml").write_text(EVAL_RESULTS, encoding=encoding)
    assert len(known_scores(str(tmp_path)).scores) == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"- {dataset: MMLU-Pro, value: 40.0, notes: \xe9t\xe9}", "not in an encoding of Unicode"),
     (b"#" * (2**20 + 1), "too large for what it should be")],
)  # fmt: skip
def test_posted_files_that_cannot_be_read_are_named(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / ".eval_results").mkdir()
    (tmp_path / ".eval_results" / "a.yaml").write_bytes(content)
    known = known_scores(str(tmp_path))
    assert known.scores == () and any(".eval_results/a.yaml" in line and why in line for line in known.warnings)


def test_posted_scores_come_from_the_hub(hub: LoopbackHub, program: Program) -> None:
    files = {"config.json": b"{}", "README.md": CARD.encode(), ".eval_results/mmlu.yaml": EVAL_RESULTS.encode()}
    sha = hub.add_model("org/name", files)
    done = program("scores", "org/name", "-f", "json", HF_ENDPOINT=hub.endpoint)
    found = json.loads(done.stdout)["scores"]
    assert done.returncode == 0 and {score["revision"] for score in found} == {sha}
    assert sorted(score["value"] for score in found) == pytest.approx([0.3835, 0.4, 0.412])
    text = program("scores", "org/name", HF_ENDPOINT=hub.endpoint).stdout
    assert "posted, unverified" in text and "posted, verified" in text and "cannot be compared" in text
    missing = program("scores", "org/none", HF_ENDPOINT=hub.endpoint)
    assert missing.returncode == 2 and "not found on the Hub" in missing.stderr


def test_a_renamed_model_is_known_by_the_name_that_was_asked_for(
    hub: LoopbackHub, program: Program, tmp_path: Path
) -> None:
    hub.add_model("name", {"config.json": b"{}"})
    hub.rename("name", "org/name")
    runs = results(results(tmp_path / "runs", "a", model_name="name"), "b", model_name="org/name")
    known = json.loads(program("scores", "name", "--scores", runs, "-f", "json", HF_ENDPOINT=hub.endpoint).stdout)
    assert [score["model"] for score in known["scores"]] == ["org/name", "org/name"]


def test_a_repository_that_may_not_be_read_hides_no_other_score(
    hub: LoopbackHub, program: Program, tmp_path: Path
) -> None:
    hub.add_model("org/name", {"config.json": b"{}", "README.md": CARD.encode()})
    hub.gate("org/name")
    runs = results(tmp_path / "runs", "a")
    done = program("scores", "org/name", "--scores", runs, "-f", "json", HF_ENDPOINT=hub.endpoint)
    said = json.loads(done.stdout)
    assert done.returncode == 0 and [score["source"] for score in said["scores"]] == ["results_a.json"]
    assert said["to_mind"][0].startswith("scores posted in its repository are not known: org/name: gated")
    for refused in (("--scores", runs, "--strict"), ()):
        none = program("scores", "org/name", *refused, HF_ENDPOINT=hub.endpoint)
        assert none.returncode == 2 and "org/name: gated" in none.stderr


@pytest.mark.parametrize(("accuracy", "is_flagged"), [(0.0, True), (0.12, True), (0.1201, False)])
def test_a_score_that_guessing_gives_is_said_to_say_nothing(
    accuracy: float, is_flagged: bool, tmp_path: Path, program: Program
) -> None:
    row = letters()["results"]["leaderboard_mmlu_pro"] | {"acc,none": accuracy}
    folder = results(tmp_path / "runs", "a", results={"leaderboard_mmlu_pro": row})
    for form in ("text", "markdown", "json"):
        said = program("scores", "org/name", "--no-posted", "--scores", folder, "-f", form).stdout
        said = json.loads(said)["to_mind"] if form == "json" else said.splitlines()
        assert ("says nothing: guessing gives" in " ".join(said)) is is_flagged, form


def test_without_posted_scores_the_hub_is_not_asked(hub: LoopbackHub, program: Program, tmp_path: Path) -> None:
    """Also of a run whose file names a commit."""
    hub.add_model("org/name", {"config.json": b"{}"})
    (tmp_path / "results_x.json").write_text(json.dumps(letters() | {"model_name": "org/name"}))
    arguments = ("scores", "org/name", "--no-posted", "--scores", "results_x.json", "-f", "json")
    (score,) = json.loads(program(*arguments, HF_ENDPOINT=hub.endpoint).stdout)["scores"]
    assert score["revision"] and score["set_apart"] is None and hub.log == []


def test_published_scores_need_no_network(program: Program) -> None:
    done = program("scores", "meta-llama/Llama-3.1-8B", "--no-posted", "-f", "markdown", HF_HUB_OFFLINE="1")
    assert done.returncode == 0 and "official-cot" in done.stdout and "32.88 %" in done.stdout
    unknown = program("scores", "org/name", "--no-posted")
    assert unknown.returncode == 0 and "No MMLU-Pro score of org/name is known." in unknown.stdout
    wrong = program("scores", "org/name", "--no-posted", "--scores", "none.json")
    assert wrong.returncode == 2 and "No such file" in wrong.stderr
