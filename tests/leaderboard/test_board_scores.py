"""Scores on a board: each result file's under the right row, or named as passed over."""

import json
from pathlib import Path

import pytest

from shape_audit.interval import shipped_interval
from shape_audit.leaderboard import read_manifest
from shape_audit.leaderboard.build.assembling import assemble, points_of
from shape_audit.leaderboard.build.record_folder import KeptRecords
from shape_audit.leaderboard.build.sources import as_found, read_sources
from shape_audit.records import Board
from shape_audit.scores import LM_EVAL_LETTERS
from tests.leaderboard.boards import row, score
from tests.scores.result_files import write
from tests.scores.test_lm_eval_files import SHA, letters

MANIFEST = """
[[models]]
names = ["Qwen/Qwen2.5-0.5B", "EleutherAI/pythia-410m", "models/tiny-6x64"]
[scores]
published = false
protocols = ["lm-eval:leaderboard_mmlu_pro@0.1", "lm-eval:leaderboard_mmlu_pro@0.1+chat_template"]
files = ["scores"]
draws = 100
"""


def board_of(folder: Path, revisions: dict[str, str] | None = None) -> Board:
    sources = read_sources(read_manifest(write(folder / "leaderboard.toml", MANIFEST)))
    return assemble(as_found(sources, {}, revisions or {}, {}, {}, {}), KeptRecords({}, []))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "tiny-6x64").mkdir(parents=True)
    return tmp_path


def run(folder: Path, name: str, model: str, value: float, **changes: object) -> None:
    content = letters() | {"model_name": model} | changes
    content["results"]["leaderboard_mmlu_pro"]["acc,none"] = value
    write(folder / "scores" / name, content)


def test_every_file_finds_its_row_or_is_named(folder: Path) -> None:
    run(folder, "results_a.json", "qwen/qwen2.5-0.5b", 0.17)
    run(folder, "results_b.json", "models/tiny-6x64", 0.11)
    run(folder, "results_c.json", "models/tiny-5x64", 0.12)
    run(folder, "results_d.json", "EleutherAI/pythia-410m", 0.115, config={
        "model": "hf", "model_args": "pretrained=EleutherAI/pythia-410m,load_in_4bit=True"})  # fmt: skip
    write(folder / "scores" / "results_e.json", json.dumps(letters())[:100])
    board = board_of(folder)
    found = {row.model: [score.value for score in row.scores] for row in board.rows}
    assert found == {"Qwen/Qwen2.5-0.5B": [0.17], "tiny-6x64": [0.11], "EleutherAI/pythia-410m": []}
    said = "\n".join(board.notes)
    assert "results_e.json: not read: not a JSON file (cut off" in said
    assert "not on the board: EleutherAI/pythia-410m+load_in_4bit, models/tiny-5x64" in said


def test_runs_that_are_no_scores_of_the_board_are_named(folder: Path) -> None:
    run(folder, "results_a.json", "Qwen/Qwen2.5-0.5B", 0.17, config=letters()["config"] | {"limit": 100})
    run(folder, "results_b.json", "EleutherAI/pythia-410m", 0.12, config={
        "model": "vllm", "model_args": "pretrained=EleutherAI/pythia-410m,max_length=2048"})  # fmt: skip
    board = board_of(folder)
    assert not any(row.scores for row in board.rows)
    assert board.notes == [
        "limited runs: Qwen/Qwen2.5-0.5B; not used",
        f"scores by {LM_EVAL_LETTERS}+max_length=2048, none of the board's protocols: EleutherAI/pythia-410m; not used",
    ]


def test_another_commit_than_the_rows_is_said_and_not_used(folder: Path) -> None:
    run(folder, "results_a.json", "Qwen/Qwen2.5-0.5B", 0.17)
    assert board_of(folder, {"Qwen/Qwen2.5-0.5B": SHA}).rows[0].scores
    board = board_of(folder, {"Qwen/Qwen2.5-0.5B": "f" * 40})
    assert all(not row.scores for row in board.rows)
    assert f"Qwen/Qwen2.5-0.5B: results_a.json: of commit {SHA[:12]}, not ffffffffffff; not used" in board.notes


def test_a_column_of_chat_templates_takes_any_models_own(folder: Path) -> None:
    run(folder, "results_a.json", "Qwen/Qwen2.5-0.5B", 0.17, chat_template_sha="91aa728a" + "0" * 56)
    (score,) = next(row for row in board_of(folder).rows if row.model == "Qwen/Qwen2.5-0.5B").scores
    assert score.protocol == f"{LM_EVAL_LETTERS}+chat_template"
    assert f"{LM_EVAL_LETTERS}+chat_template=91aa728a" in score.notes


def test_a_rows_scores_are_its_own_in_the_evidence_too() -> None:
    names = [f"EleutherAI/pythia-410m{branch}" for branch in ("", "@step1000", "@v0")]
    runs = [score(name, 0.2, provider="import", revision=name.partition("@")[2] or None) for name in names]
    rows = [row(8 + number, run.model, scores=[run]) for number, run in enumerate(runs)]
    points, left_out = points_of(rows, shipped_interval(), LM_EVAL_LETTERS)
    assert [point.model for point in points] == names and left_out == []
    assert [point.r_dw for point in points] == [row.r_dw for row in rows]


@pytest.mark.parametrize(
    ("kinds", "left_out"),
    [(("base", "base", "instruct"), ["instruction-tuned models: 1"]), (("instruct", "instruct", "base"), [])],
)
def test_the_evidence_is_of_the_boards_own_models(kinds: tuple[str, ...], left_out: list[str]) -> None:
    """Of any size, and of tuned ones where most are."""
    rows = [row(8 + number, kind=kind, params_total=10 ** (4 + 4 * number)) for number, kind in enumerate(kinds)]
    points, found = points_of(rows, shipped_interval(), LM_EVAL_LETTERS)
    assert (len(points), found) == (len(kinds) - len(left_out), left_out)
