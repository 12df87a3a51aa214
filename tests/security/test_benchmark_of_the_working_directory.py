"""Kind 2 of what a checkout may try: to put its own questions in place of the benchmark's."""

import json
from pathlib import Path

import pytest

from shape_audit.errors import IncompleteError
from shape_audit.scores.questions import COLUMNS, content_sha256, read_questions
from shape_audit.shipped import facts
from tests.security.conftest import Checkout


def test_questions_beside_the_user_are_not_the_benchmark(checkout: Checkout) -> None:
    """They are not asked: offline and with an empty cache, there are none."""
    done = checkout.program("score", "model", "--results", "runs")
    assert done.returncode == 2 and "TIGER-Lab/MMLU-Pro" in done.stderr.splitlines()[-1]
    assert checkout.left == []


def test_a_score_on_named_questions_says_so_and_runs_nothing_of_the_checkout(checkout: Checkout) -> None:
    options = ("--questions", "TIGER-Lab/MMLU-Pro", "--results", "runs", "--limit", "1", "-f", "json")
    done = checkout.program("score", "model", *options)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["scores"]
    assert found["notes"][0].startswith("questions: the folder TIGER-Lab/MMLU-Pro (content sha256 ")
    assert found["set_apart"] == "the questions of a folder, not those published"
    assert checkout.left == []
    known = json.loads(checkout.program("scores", "model", "--scores", "runs", "-f", "json").stdout)
    assert known["scores"][0]["set_apart"] == found["set_apart"]


def test_a_hub_dataset_is_not_looked_for_beside_the_user(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout.folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(IncompleteError):
        read_questions(None)
    found = read_questions(Path("TIGER-Lab/MMLU-Pro"))
    assert found.a_subject["law"] == 1 and found.set_apart is not None


def test_published_questions_are_known_by_their_content(materials: Path) -> None:
    found = read_questions(materials / "mmlu-pro")
    assert found.set_apart is None and found.source.endswith(", as published)")
    assert found.a_subject.total() == 12_032
    other = content_sha256([dict.fromkeys(COLUMNS, "")])
    assert other != facts("mmlu_pro_tasks")["questions_sha256"]
