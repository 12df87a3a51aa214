"""Kind 4: nothing that the product reads again can execute, whoever filled the folder."""

import json
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import datasets
import pytest

from shape_audit.loader import KeptAnswers
from shape_audit.scores import ScoreOptions, score
from tests.scores.questions import write_questions


class Payload:
    """An object whose pickle opens, and so makes, a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return open, (str(self.mark), "w")


def test_a_planted_pickle_of_an_old_cache_is_never_read(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shape_audit.hub import read_checkpoint
    from shape_audit.scores.running import _answers

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_questions(tmp_path)
    mark = tmp_path / "mark"
    options = ScoreOptions(results=tmp_path / "runs", limit=1, questions=tmp_path / "TIGER-Lab" / "MMLU-Pro")
    start = _answers(read_checkpoint(str(tiny_llama)), options)
    start.parent.mkdir(parents=True)
    planted = pickle.dumps(Payload(mark))
    for name in (f"{start.name}_rank0.db", f"{start.name}_rank0.sqlite"):
        with sqlite3.connect(start.parent / name) as database:  # as sqlitedict lays it out
            database.execute("create table unnamed (key text primary key, value blob)")
            database.execute("insert into unnamed values ('x', ?)", (planted,))
    (start.parent / f"{start.name}_rank0.jsonl").write_bytes(planted + b"\n" + json.dumps(["key", "c"]).encode())
    run = score(str(tiny_llama), options)
    assert run is not None and run.record.n == 1 and not mark.exists()
    pickle.loads(planted).close()
    assert mark.exists(), "else nothing was shown"


def test_answers_come_back_as_they_were_given(tmp_path: Path) -> None:
    file = tmp_path / "answers" / "rank0.jsonl"
    options = {"until": ["Q:"], "do_sample": False}
    given = {
        ("loglikelihood", ("2 + 2 =", " 4")): (-0.1 - 2**-52, True),
        ("loglikelihood", ("2 + 2 =", " 5")): (float("-inf"), False),
        ("generate_until", ("2 + 2 =", json.dumps(options))): "4\n\u2028 \ud800 é",
    }
    with KeptAnswers(file) as kept:
        for (kind, arguments), answer in given.items():
            kept.add_partial(kind, arguments, answer)
    with KeptAnswers(file) as again:
        assert {question: again.get(*question) for question in given} == given
        assert again.get("loglikelihood", ("2 + 2 =", " 6")) is None


@pytest.mark.parametrize(
    "line", [b"", b"[", b"null", b"1", b'["key"]', b'["key", {"a": 1}]', b'["key", [1, true]]', b'["key", [0.5, 1]]',
             b'["key", [0.5, true, 2]]', b"\xff\xfe", b"[" * 100_000, b'{"key": 1, "more": 2}']
)  # fmt: skip
def test_what_is_no_answer_is_skipped(line: bytes, tmp_path: Path) -> None:
    file = tmp_path / "rank0.jsonl"
    with KeptAnswers(file) as first:
        first.add_partial("generate_until", ("a",), "b")
    with file.open("ab") as stream:
        stream.write(line)
    with KeptAnswers(file) as kept:
        kept.add_partial("generate_until", ("c",), "d")
    with KeptAnswers(file) as again:
        assert (again.get("generate_until", ("a",)), again.get("generate_until", ("c",))) == ("b", "d")
        assert len(again._answers) == 2
