"""Which model a score is of: one rule from `scores` to board."""

import unicodedata
from pathlib import Path

import pytest

from shape_audit.hub import parse_model
from shape_audit.records import ModelRef, ScoreRecord
from shape_audit.scores import KnownModels, known_scores
from tests.scores.result_files import write
from tests.scores.test_lm_eval_files import SHA, letters


def is_of(named: str, ref: ModelRef, revision: str | None = None) -> bool:
    record = ScoreRecord(
        model=named, revision=revision, protocol="choice-0shot", value=0.2, stderr=None, n=None, is_limited=False,
        provider="import", source="x", date=None,
    )  # fmt: skip
    return KnownModels([ref]).claim(record) is not None


@pytest.mark.parametrize(
    ("named", "same"),
    [
        ("Org/Name-1B", True),
        ("org/name-1b", True),
        ("Org/Name-1B/", True),
        ("https://huggingface.co/Org/Name-1B", True),
        (f"/cache/hub/models--Org--Name-1B/snapshots/{SHA}", True),
        ("other/Name-1B", False),
        ("Name-1B", False),
        ("Org/Name-1B-Instruct", False),
        ("Org/Name", False),
        ("/data/models/Name-1B", False),
        ("Org/Name-1B+load_in_4bit", False),
    ],
)
def test_a_name_of_the_hub_is_itself(named: str, same: bool) -> None:
    assert is_of(named, parse_model("Org/Name-1B")) is same


@pytest.mark.parametrize(
    ("folder", "named", "same"),
    [
        ("models/tiny-6x64", "models/tiny-6x64", True),
        ("models/tiny-6x64", "./models/tiny-6x64/", True),
        ("models/tiny-6x64", "tiny-6x64", True),
        ("models/tiny-6x64", "/mnt/other/machine/tiny-6x64", True),
        ("models/tiny-6x64", "models/tiny-4x64", False),
        ("models/tiny-6x64", "org/tiny-6x64", False),
        ("models/tiny-6x64", "tiny-6x64+peft=x", False),
        ("run-a/checkpoint-14676", "/data/run-b/checkpoint-14676", False),
        ("run-a/checkpoint-14676", "/data/run-a/checkpoint-14676", False),
        ("run-a/checkpoint-14676", "run-a/checkpoint-14676", True),
        ("run-a/checkpoint-14676", "run-a\\checkpoint-14676", True),
        ("run-a/checkpoint-14676", "checkpoint-14676", False),
        ("run-a/final", "final", False),
        ("run-a/final-merged-bf16", "/x/final-merged-bf16", False),
        ("run-a/epoch_3", "/x/run-b/epoch_3", False),
        ("run-a/global_step500", "global_step500", False),
        ("run-a/hf", "/x/hf", False),
        ("小さい-LLM-é", "/データ/小さい-LLM-é", True),
        ("小さい-LLM-é", unicodedata.normalize("NFD", "/x/小さい-LLM-é"), True),
    ],
)
def test_a_folder_is_known_by_its_path_or_by_a_name_of_its_own(
    folder: str, named: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir(parents=True)
    assert is_of(named, parse_model(folder)) is same
    monkeypatch.chdir("/")
    assert is_of(named, parse_model(tmp_path / folder)) is same, "wherever the program runs"


def test_a_folder_of_the_same_name_that_is_here_is_another(tmp_path: Path) -> None:
    for run in ("a", "b"):
        (tmp_path / run / "my-llama").mkdir(parents=True)
    assert not is_of(str(tmp_path / "b" / "my-llama"), parse_model(tmp_path / "a" / "my-llama"))
    of_a_record = ModelRef("folder", "my-llama", "e" * 64)  # which does not keep where its folder lay
    assert is_of(str(tmp_path / "b" / "my-llama"), of_a_record)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "my-llama")
    assert is_of(str(tmp_path / "link"), parse_model(tmp_path / "a" / "my-llama"))


def test_a_folder_here_hides_no_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is one of the models: results of a machine where it is not, and downloads that lie under that name."""
    monkeypatch.chdir(tmp_path)
    Path("Org/Name-1B").mkdir(parents=True)
    at_hub = parse_model("hf://Org/Name-1B")
    assert at_hub.source == "hub" and is_of("Org/Name-1B", at_hub) and is_of("Org/Name-1B", parse_model("Org/Name-1B"))
    assert not is_of("Org/Name-1B", at_hub, "e" * 64) and not is_of("./Org/Name-1B", at_hub)


def test_a_commit_tells_nothing_of_a_folder(tmp_path: Path) -> None:
    ref = parse_model(tmp_path)
    known = ModelRef("folder", ref.repo_id, "e" * 64, root=ref.root)
    assert is_of(str(tmp_path), known, SHA) and is_of(str(tmp_path), known, "main") and is_of(str(tmp_path), ref, SHA)
    assert is_of(str(tmp_path), known, "e" * 64) and not is_of(str(tmp_path), known, "f" * 64)


def test_a_match_by_name_is_said(tmp_path: Path) -> None:
    model = tmp_path / "my-llama"
    model.mkdir()
    write(tmp_path / "results" / "results_x.json", letters() | {"model_name": "/elsewhere/my-llama"})
    (score,) = known_scores(model, scores=[tmp_path / "results"], posted=False).scores
    assert score.model == "my-llama" and any("run as /elsewhere/my-llama" in note for note in score.notes)


def test_a_score_goes_by_the_models_name_from_then_on(tmp_path: Path) -> None:
    write(tmp_path / "results_x.json", letters() | {"model_name": "qwen/qwen2.5-0.5b"})
    scores = known_scores("Qwen/Qwen2.5-0.5B", scores=[tmp_path], posted=False).scores
    assert {score.model for score in scores} == {"Qwen/Qwen2.5-0.5B"} and {s.provider for s in scores} == {
        "import", "published"}  # fmt: skip


def test_a_folder_of_the_hubs_cache_is_its_repository_at_that_commit(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--name" / "snapshots" / SHA
    posted = "- {dataset: MMLU-Pro, value: 40.0, source: {url: 'https://hf.co/org/name'}}"
    write(snapshot / ".eval_results" / "a.yaml", posted)
    write(tmp_path / "results_a.json", letters() | {"model_name": str(snapshot)})
    write(tmp_path / "results_b.json", letters() | {"model_name": "Org/Name"})
    other = letters()["config"] | {"model_sha": "f" * 40}
    write(tmp_path / "results_c.json", letters() | {"config": other})
    write(tmp_path / "results_d.json", letters() | {"model_name": "other/name"})
    known = known_scores(snapshot, scores=[tmp_path])
    assert {score.model for score in known.scores} == {SHA}
    assert {score.source: bool(score.set_apart) for score in known.scores} == {
        "results_a.json": False, "results_b.json": False, "results_c.json": True, "https://hf.co/org/name": False,
    }  # fmt: skip


def test_near_names_are_said(tmp_path: Path) -> None:
    write(tmp_path / "results_a.json", letters() | {"model_name": "old-owner/name-7b"})
    for number in range(20):
        write(tmp_path / f"results_{number}.json", letters() | {"model_name": f"a/{number}"})
    first, second = known_scores("new-owner/Name-7B", scores=[tmp_path], posted=False).warnings
    assert first.startswith("21 scores of other models were passed over (lm-eval): old-owner/name-7b, a/0")
    assert second == "if old-owner/name-7b is new-owner/Name-7B, say so: --scores new-owner/Name-7B=PATH"
    named = known_scores(
        "new-owner/Name-7B", scores=[Path(f"new-owner/Name-7B={tmp_path / 'results_a.json'}")], posted=False
    )
    assert [score.value for score in named.scores] == [0.3125]


def test_a_renamed_repository_is_near(tmp_path: Path) -> None:
    write(tmp_path / "results_a.json", letters() | {"model_name": "owner/Mega-Name-3.1-8B"})
    write(tmp_path / "results_b.json", letters() | {"model_name": "owner/Name-3.1-8B-Instruct"})
    said = known_scores("owner/Name-3.1-8B", scores=[tmp_path], posted=False).warnings
    assert "(lm-eval): owner/Mega-Name-3.1-8B, owner/Name-3.1-8B-Instruct" in said[0]
    assert said[1].startswith("if owner/Mega-Name-3.1-8B is owner/Name-3.1-8B, say so")


@pytest.mark.parametrize(
    ("former", "now"),
    [("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"), ("gpt2", "openai-community/gpt2")],
)
def test_well_known_former_names_are_the_models_own(former: str, now: str) -> None:
    assert is_of(former, parse_model(now)) and is_of(now, parse_model(former))
    others = (f"{former}-chat", "meta-llama/Meta-Llama-3-8B")
    assert not any(is_of(other, parse_model(now)) for other in others)


def test_a_path_with_an_equals_sign_is_a_path(tmp_path: Path) -> None:
    write(tmp_path / "lr=0.1" / "results_a.json", letters())
    assert len(known_scores("org/name", scores=[tmp_path / "lr=0.1"], posted=False).scores) == 1


def test_another_commit_is_set_apart_and_a_short_one_is_not_another(tmp_path: Path) -> None:
    write(tmp_path / "results_a.json", letters())
    without = letters()["config"] | {"model_sha": ""}
    write(tmp_path / "said" / "results_a.json", letters() | {"config": without})
    for asked, is_apart in ((SHA, False), (SHA[:8], False), ("f" * 40, True), ("main", False)):
        for file in (tmp_path / "results_a.json", Path(f"org/name@{SHA}={tmp_path / 'said'}")):
            (score,) = known_scores(f"org/name@{asked}", scores=[file], posted=False).scores
            assert bool(score.set_apart) is is_apart and score.revision == SHA
