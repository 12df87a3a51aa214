"""Builds: what is audited and what is reused, failures, shards, kills, and that the same files give the same board."""

import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

import shape_audit
from shape_audit.errors import UsageError
from shape_audit.leaderboard import BuildOptions, Manifest, build_leaderboard, read_manifest, render, verify
from shape_audit.leaderboard.build.assembling import points_of
from shape_audit.leaderboard.build.differences import differences
from shape_audit.leaderboard.build.options import parse_shard
from shape_audit.leaderboard.page.tables import csv_text, parquet_bytes
from shape_audit.records import Board, read_record
from shape_audit.scores import LM_EVAL_LETTERS, OFFICIAL_COT, published_for
from tests.conftest import Program
from tests.leaderboard.boards import read_back
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import StatusFor
from tests.moments import stopping_at
from tests.scores.test_lm_eval_files import letters
from tests.tiny_models import save_tiny


class Noted:
    """A progress that remembers which models were audited."""

    def __init__(self) -> None:
        self.models: list[str] = []

    def step(self, text: str) -> None: ...

    def windows(self, done: int, total: int, tokens: int) -> None: ...

    def model(self, name: str, done: int, total: int) -> None:
        self.models.append(name)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five small models."""
    where = tmp_path_factory.mktemp("models")
    return [save_tiny(where / f"tiny-{number}", "llama", seed=number) for number in range(5)]


def manifest(names: list[object], **more: object) -> Manifest:
    content = {"models": [{"names": [str(name) for name in names]}], "measure": {"windows": 4, "seq_len": 16}, **more}
    return Manifest.model_validate(content)


def undated(record: str) -> str:
    """A record's text but for when it was made, its seal, and the peak memory of the process, which may grow."""
    return re.sub(r'"(date|record_sha256)": "[^"]*"|"peak_memory_bytes": \d+', "", record)


def of_no_day(board: Board) -> Board:
    """A board but for the seals of its records, which hold when these were made."""
    return board.model_copy(update={"rows": [row.model_copy(update={"record_sha256": None}) for row in board.rows]})


def built(found: Manifest, folder: Path, **options: object) -> tuple[Board, list[str]]:
    noted = Noted()
    board = build_leaderboard(found, folder, BuildOptions(**options), progress=noted)  # type: ignore[arg-type]
    assert board is not None
    return board, noted.models


def test_shipped_facts_need_no_audit(tmp_path: Path) -> None:
    board, audited = built(read_manifest(), tmp_path)
    assert audited == [] and len(board.rows) > 300 and not (tmp_path / "records").exists()
    assert {row.source for row in board.rows} == {"shipped table"} and not any(row.failure for row in board.rows)
    assert None not in [row.params_total for row in board.rows]
    assert board.evidence[0].verdict == "not supported" and board.evidence[0].n_models == 111, "of any size"
    row = next(row for row in board.rows if row.model == "Qwen/Qwen2.5-0.5B")
    assert (row.num_hidden_layers, row.hidden_size, row.side) == (24, 896, "inside")
    assert [score.protocol for score in row.scores] == [LM_EVAL_LETTERS] and row.scores[0].among_size is not None


def test_records_are_reused_until_they_do_not_answer(tmp_path: Path, folders: list[Path]) -> None:
    board, audited = built(manifest(folders[:2]), tmp_path / "board")
    assert audited == [str(folder) for folder in folders[:2]]
    assert [row.measured for row in board.rows] == [None, None] and {row.source for row in board.rows} == {"record"}
    assert built(manifest(folders[:2]), tmp_path / "board")[1] == []
    measured, audited = built(manifest(folders[:2]), tmp_path / "board", measure=True)
    assert len(audited) == 2 and all(row.measured and row.measured.windows == 4 for row in measured.rows)
    assert built(manifest(folders[:2]), tmp_path / "board", measure=True) == (measured, [])
    assert built(manifest(folders[:2]), tmp_path / "board") == (measured, []), "measured records have the shape too"
    few = {"windows": 4, "seq_len": 16}
    settled = {"seq_len": 16, "tolerance": 0.001, "max_windows": 16}
    changes = ({"windows": 5}, {"seq_len": 17}, {"seed": 1}, {"sites": "embedding"}, {"dtype": "float64"})
    for change in (*(few | change for change in changes), settled):
        shutil.copytree(tmp_path / "board", tmp_path / "copy")
        other, audited = built(manifest(folders[:2], measure=change), tmp_path / "copy", measure=True)
        assert len(audited) == 2, change
        assert built(manifest(folders[:2], measure=change), tmp_path / "copy", measure=True) == (other, []), change
        shutil.rmtree(tmp_path / "copy")


def test_a_model_that_has_changed_is_audited_anew(tmp_path: Path, folders: list[Path]) -> None:
    model = shutil.copytree(folders[0], tmp_path / "model")
    first, _ = built(manifest([model]), tmp_path / "board")
    shutil.rmtree(model)
    save_tiny(model, "llama", seed=9)
    second, audited = built(manifest([model]), tmp_path / "board")
    assert audited == [str(model)] and second.rows[0].revision != first.rows[0].revision


def test_a_text_that_has_changed_under_its_name_is_measured_anew(tmp_path: Path, folders: list[Path]) -> None:
    text = tmp_path / "mine.txt"
    ours = manifest(folders[:1], measure={"windows": 4, "seq_len": 16, "dataset": str(text)})
    text.write_text("the shape of a model " * 200)
    first, _ = built(ours, tmp_path / "board", measure=True)
    assert built(ours, tmp_path / "board", measure=True) == (first, [])
    text.write_text("other words entirely " * 200)
    second, audited = built(ours, tmp_path / "board", measure=True)
    assert audited == [str(folders[0])] and second.rows[0].measured != first.rows[0].measured
    assert built(ours, tmp_path / "board", measure=True) == (second, [])
    text.write_text("the shape of a model " * 200)  # as it was: its record is there, and not the latest
    ours = manifest(folders[:2], measure={"windows": 4, "seq_len": 16, "dataset": str(text)})
    third, audited = built(ours, tmp_path / "board", measure=True)
    assert audited == [str(folders[1])] and len({row.measured.text_sha256 for row in third.rows if row.measured}) == 1
    assert next(row for row in third.rows if row.model == first.rows[0].model).measured == first.rows[0].measured
    assert built(ours, tmp_path / "board") == (third, []) and verify_of(tmp_path / "board", third) == []
    ours = manifest(folders[:1], measure={"windows": 4, "seq_len": 16, "dataset": str(text)})
    text.write_text("other words entirely " * 200)
    assert built(ours, tmp_path / "board", measure=True) == (second, [])
    text.unlink()  # then nobody can say, and what is there stays
    assert built(ours, tmp_path / "board", measure=True) == (second, [])


def verify_of(folder: Path, board: Board) -> list[str]:
    render(board, folder)
    return verify(folder)


def test_a_folder_that_is_damaged_is_not_answered_by_its_record_of_before(tmp_path: Path, folders: list[Path]) -> None:
    model = shutil.copytree(folders[0], tmp_path / "model")
    assert built(manifest([model]), tmp_path / "board")[0].rows[0].failure is None
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-100])
    assert "truncated" in (built(manifest([model]), tmp_path / "board")[0].rows[0].failure or "")
    (model / "model.safetensors").write_bytes(weights)
    assert built(manifest([model]), tmp_path / "board")[0].rows[0].failure is None


def test_failures_are_rows_with_their_reason(tmp_path: Path, folders: list[Path], program: Program) -> None:
    broken = shutil.copytree(folders[0], tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no header")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_text("")
    found = manifest([broken, folders[1], pickled, "./gone"])
    board, audited = built(found, tmp_path / "board", measure=True)
    assert len(audited) == 4
    reasons = {row.model: row.failure for row in board.rows}
    assert reasons["tiny-1"] is None and "pickled weights only" in (reasons["pickled"] or "")
    assert reasons["./gone"] == "no such folder" and reasons["broken"] and "model.safetensors" in reasons["broken"]
    (tmp_path / "m.toml").write_text(f"[[models]]\nnames = ['{folders[1]}', './gone']\n")
    done = program("leaderboard", "build", "m.toml", "-o", "my board")
    assert done.stderr.startswith("board: my board; next: shape-audit leaderboard render 'my board'\n")
    assert done.returncode == 2 and "2 models" in done.stdout and "shape-audit: ./gone: no such folder" in done.stderr
    stopped, audited = built(found, tmp_path / "stopped", keep_going=False)
    assert audited == [str(broken)]
    assert {row.model: row.failure for row in stopped.rows}["tiny-1"] == "it has not been audited yet"
    shutil.rmtree(broken)
    shutil.copytree(folders[2], broken)
    mended, _ = built(found, tmp_path / "board")
    assert next(row for row in mended.rows if row.model == "broken").failure is None


def test_what_is_not_dense_is_measured_and_not_placed(tmp_path: Path, folders: list[Path]) -> None:
    import transformers

    model = shutil.copytree(folders[0], tmp_path / "experts")
    config = transformers.MixtralConfig(
        vocab_size=256, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, num_local_experts=2,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(model)
    board, _ = built(manifest([model]), tmp_path / "board", measure=True)
    (row,) = board.rows
    assert row.r_dw == 1 / 16 and row.source == "record" and row.measured and row.failure is None
    assert row.side is None, "the interval says nothing of it"
    assert row.placement == "not dense" and differences(board.model_copy(update={"rows": []}), board)[0].endswith(
        "experts: new (not dense)"
    )
    score = published_for("Qwen/Qwen2.5-0.5B")[0].model_copy(update={"model": row.model})
    scored = row.model_copy(update={"scores": [score]})
    assert points_of([scored], board.interval, LM_EVAL_LETTERS) == ([], ["models that are not dense: 1"])


@pytest.fixture(scope="module")
def whole(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of all of them, measured by one build."""
    return of_no_day(built(manifest(folders), tmp_path_factory.mktemp("whole"), measure=True)[0])


def is_whole(other: Board, whole: Board) -> bool:
    other = of_no_day(other)
    return parquet_bytes(other) == parquet_bytes(whole) and csv_text(other) == csv_text(whole) and other == whole


def test_shards_give_the_board_of_one_build(tmp_path: Path, folders: list[Path], whole: Board) -> None:
    found = manifest(folders)
    shares = [built(found, tmp_path / "shards", measure=True, shard=(share, 3))[1] for share in (1, 2, 3)]
    assert sorted(name for share in shares for name in share) == sorted(map(str, folders))
    assert [len(share) for share in shares] == [2, 2, 1]
    merged, audited = built(found, tmp_path / "shards", measure=True)
    assert audited == [] and is_whole(merged, whole)


@pytest.mark.long
def test_jobs_give_the_board_of_one_build(tmp_path: Path, folders: list[Path], whole: Board) -> None:
    assert is_whole(built(manifest(folders), tmp_path, measure=True, jobs=2)[0], whole)


def test_shares_that_cannot_be() -> None:
    assert parse_shard("2/8") == (2, 8)
    for text in ("0/8", "9/8", "2", "a/b", "-1/3", "/", "1/0"):
        with pytest.raises(UsageError, match="must be I/K"):
            parse_shard(text)
    with pytest.raises(UsageError, match="--jobs must be at least 1"):
        BuildOptions(jobs=0)


def test_a_build_killed_at_any_moment_ends_in_the_same_table(
    tmp_path: Path, folders: list[Path], whole: Board, program: Program
) -> None:
    """While a record is being written after another, and while the board is."""
    names = ", ".join(f"'{folder}'" for folder in folders)
    (tmp_path / "m.toml").write_text(f"[[models]]\nnames = [{names}]\n[measure]\nwindows = 4\nseq_len = 16\n")
    start = partial(program.start, "leaderboard", "build", "m.toml", "-o", "killed", "--measure")
    kept = tmp_path / "killed" / "records"
    record = "os.rename __w4.json"
    for records, moments in ((1, [record, record]), (5, ["os.rename board.json"])):
        with stopping_at(moments, tmp_path, lambda hooks: start(hooks=hooks)) as run:
            for _ in moments[:-1]:
                assert run.next_moment(), run.process.communicate()
                run.go_on()
            assert run.next_moment(), run.process.communicate()
            run.process.kill()
        assert len(list(kept.glob("*.json"))) == records
    ended, _ = built(read_manifest(tmp_path / "m.toml"), tmp_path / "killed", measure=True)
    assert is_whole(ended, whole)
    for path in (tmp_path / "killed" / "records").glob("*.json"):
        read_record(path)


def test_records_edited_by_hand_are_not_used(tmp_path: Path, folders: list[Path]) -> None:
    built(manifest(folders[:1]), tmp_path / "board")
    (record,) = (tmp_path / "board" / "records").glob("*.json")
    honest = record.read_text()
    record.write_text(honest.replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))
    other = record.with_name("other.json")
    other.write_text(honest.replace('"schema_version": 3', '"schema_version": 0'))
    board, audited = built(manifest(folders[:1]), tmp_path / "board")
    assert audited == [str(folders[0])] and board.rows[0].num_hidden_layers == 2
    assert len(board.notes) == 1 and "not an audit record of schema version 1 to 3; not used" in board.notes[0]
    assert undated(record.read_text()) == undated(honest)


def test_scores_of_result_files_and_of_the_hub(
    tmp_path: Path, tiny_llama: Path, program: Program, hub: LoopbackHub
) -> None:
    (tmp_path / "m.toml").write_text("[[models]]\nnames = ['org/name@main']\n[scores]\nfiles = ['results_x.json']\n")
    card = b"---\nlicense: other\nlicense_name: llama3.2\nlicense_link: https://example.org/license\n---\n# A model\n"
    files = {path.name: path.read_bytes() for path in tiny_llama.iterdir()}
    sha = hub.add_model("org/name", {**files, "README.md": card})
    ran = {"model_name": "org/name", "config": letters()["config"] | {"model_sha": sha}}
    (tmp_path / "results_x.json").write_text(json.dumps(letters() | ran))
    done = program("leaderboard", "build", "m.toml", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    board = Board.model_validate_json((tmp_path / "leaderboard" / "board.json").read_text())
    (row,) = board.rows
    assert (row.model, [score.value for score in row.scores]) == ("org/name", [0.3125])
    assert (row.released, row.license, row.license_link) == ("2024-01-01", "llama3.2", "https://example.org/license")
    (line,) = read_back(parquet_bytes(board))
    assert line[f"score[{LM_EVAL_LETTERS}]"] == 0.3125 and line[f"score[{LM_EVAL_LETTERS}].known"] == 1


def test_a_card_that_was_edited_since_leaves_a_run_the_models_own(
    tmp_path: Path, tiny_llama: Path, program: Program, hub: LoopbackHub
) -> None:
    """As most are, once there are results to write into it."""
    files = {path.name: path.read_bytes() for path in tiny_llama.iterdir()}
    first = hub.add_model("org/name", files | {"README.md": b"# A model"})
    ran = {"model_name": "org/name", "config": letters()["config"] | {"model_sha": first}}
    (tmp_path / "results_x.json").write_text(json.dumps(letters() | ran))
    (tmp_path / "m.toml").write_text("[[models]]\nnames = ['org/name']\n[scores]\nfiles = ['results_x.json']\n")

    def counts(config: bytes) -> tuple[bool, bool]:
        """Whether the run is the model's own: in a list of scores, and on a board."""
        hub.add_model("org/name", files | {"README.md": b"# Results", "config.json": config})
        done = program("scores", "org/name", "--scores", "results_x.json", "-f", "json", HF_ENDPOINT=hub.endpoint)
        (score,) = json.loads(done.stdout)["scores"]
        assert program("leaderboard", "build", "m.toml", HF_ENDPOINT=hub.endpoint).returncode == 0
        board = Board.model_validate_json((tmp_path / "leaderboard" / "board.json").read_text())
        return score["set_apart"] is None, bool(board.rows[0].scores)

    assert counts(files["config.json"]) == (True, True)
    assert counts(files["config.json"] + b" ") == (False, False)


def test_a_branch_is_a_model_of_its_own(tmp_path: Path, tiny_llama: Path, program: Program, hub: LoopbackHub) -> None:
    """What the table that ships knows of the repository is of its default branch."""
    name = "Qwen/Qwen2.5-0.5B"
    hub.add_model(name, save_tiny(tmp_path / "last", "llama", seed=1))
    first = hub.add_model(name, tiny_llama, revision="step1")
    (tmp_path / "m.toml").write_text(f"[[models]]\nnames = ['{name}', '{name}@step1']\n")
    done = program("leaderboard", "build", "m.toml", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    board = Board.model_validate_json((tmp_path / "leaderboard" / "board.json").read_text())
    rows = {row.model: row for row in board.rows}
    assert rows[name].source == "shipped table" and rows[name].scores
    branch = rows[f"{name}@step1"]
    assert (branch.revision, branch.num_hidden_layers, branch.scores, branch.train_tokens) == (first, 2, [], None)
    done = program("audit", f"{name}@step1", "--shape-only", "-f", "json", HF_ENDPOINT=hub.endpoint)
    (score,) = json.loads(done.stdout)["scores"]
    assert score["set_apart"] == "of the default branch, not step1" and "training tokens" not in done.stdout


def test_a_model_in_another_case_or_by_its_former_name_has_one_row(
    tmp_path: Path, tiny_llama: Path, program: Program, hub: LoopbackHub
) -> None:
    for name in ("Org/Tiny", "old"):
        hub.add_model(name, tiny_llama)
    hub.rename("old", "new/tiny")
    for name in ("org/tiny", "new/tiny", "old"):
        result = tmp_path / "scores" / name.replace("/", "-") / "results_x.json"
        result.parent.mkdir(parents=True)
        result.write_text(
            json.dumps(letters() | {"model_name": name, "config": letters()["config"] | {"model_sha": ""}})
        )
    names = "names = ['org/tiny', 'old', 'new/tiny', 'qwen/qwen2.5-0.5b']"
    (tmp_path / "m.toml").write_text(f"[[models]]\n{names}\n[scores]\nfiles = ['scores']\n")
    boards = []
    for _ in range(2):
        done = program("leaderboard", "build", "m.toml", HF_ENDPOINT=hub.endpoint)
        assert done.returncode == 0 and "new/tiny: it is new/tiny, which has a row" in done.stderr
        records = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "leaderboard" / "records").iterdir()}
        boards.append((Board.model_validate_json((tmp_path / "leaderboard" / "board.json").read_text()), records))
    assert boards[0] == boards[1]
    found = {row.model: (row.source, [score.model for score in row.scores]) for row in boards[0][0].rows}
    assert found == {
        "Org/Tiny": ("record", ["Org/Tiny"]), "new/tiny": ("record", ["new/tiny"] * 2),
        "Qwen/Qwen2.5-0.5B": ("shipped table", ["Qwen/Qwen2.5-0.5B"]),
    }  # fmt: skip
    assert program("leaderboard", "render").returncode == 0 and program("leaderboard", "verify").returncode == 0


def test_what_select_chooses_is_never_a_folder(tmp_path: Path, program: Program) -> None:
    name = "Qwen/Qwen2.5-0.5B"
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / "results_x.json").write_text(json.dumps(letters() | {"model_name": name}))
    scores = "[scores]\npublished = false\nfiles = ['results_x.json']\n"
    (tmp_path / "m.toml").write_text(f"[[models]]\nselect = {{names = ['{name}']}}\n{scores}")
    assert program("leaderboard", "build", "m.toml").returncode == 0
    (row,) = Board.model_validate_json((tmp_path / "leaderboard" / "board.json").read_text()).rows
    assert (row.model, [score.value for score in row.scores]) == (name, [0.3125])


def test_scores_of_a_board_are_those_its_manifest_asks_for(tmp_path: Path, tiny_llama: Path) -> None:
    """Whatever the records hold, and as they are posted now."""
    model = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    posted = model / ".eval_results" / "mmlu_pro.yaml"
    posted.parent.mkdir()

    def values(**scores: object) -> list[float]:
        asked = manifest([model], scores={"published": False, "protocols": [OFFICIAL_COT], **scores})
        return [score.value for score in built(asked, tmp_path / "board")[0].rows[0].scores]

    for accuracy in (21.5, 23.5):
        dataset = "dataset: {id: TIGER-Lab/MMLU-Pro, task_id: mmlu_pro}"
        posted.write_text(f"- {dataset}\n  value: {accuracy}\n  notes: official-cot\n")
        assert values() == [] and values(posted=True) == [accuracy / 100]
    assert values() == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, program: Program) -> None:
    (tmp_path / "file").write_text("")
    done = program("leaderboard", "build", "-o", "file/board")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "could not be written there" in done.stderr


def test_settings_and_environment_reach_a_command_of_commands(tmp_path: Path, program: Program) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.shape-audit.leaderboard.build]\nshard = '3/2'\n")
    named = ("--config", "pyproject.toml", "leaderboard", "build")
    assert "--shard 3/2: it must be I/K" in program(*named).stderr
    (tmp_path / "pyproject.toml").write_text("[tool.shape-audit.leaderboard.build]\nshart = '1/2'\n")
    wrong = program(*named)
    assert (
        wrong.returncode == 4
        and "[tool.shape-audit.leaderboard.build]: unknown key shart; did you mean" in wrong.stderr
    )
    (tmp_path / "pyproject.toml").unlink()
    done = program("leaderboard", "build", SHAPE_AUDIT_LEADERBOARD_BUILD_JOBS="0")
    assert done.returncode == 4 and "--jobs must be at least 1" in done.stderr


def test_a_failed_measurement_keeps_the_shape_and_its_reason_until_it_is_made_good(
    tmp_path: Path, folders: list[Path]
) -> None:
    too_many = manifest(folders[:1], measure={"windows": 9999, "seq_len": 16})
    board, _ = built(too_many, tmp_path / "board", measure=True)
    assert board.rows[0].failure and "too little" in board.rows[0].failure and board.rows[0].r_dw is not None
    again, audited = built(too_many, tmp_path / "board")
    assert (again, audited) == (board, []), "its shape is there, and what was asked of it failed all the same"
    other, _ = built(manifest(folders[:1]), tmp_path / "board")
    assert other.rows[0].failure is None, "of other settings nothing is known"
    measured, _ = built(manifest(folders[:1]), tmp_path / "board", measure=True)
    assert measured.rows[0].measured and "too little" not in (tmp_path / "board" / "sources.json").read_text()
    failed, _ = built(too_many, tmp_path / "board", measure=True)
    assert failed.rows[0].failure and failed.rows[0].measured, "what was measured before does not hide it"


def test_what_shares_could_not_measure_is_known_when_the_board_is_put_together(
    tmp_path: Path, folders: list[Path], program: Program
) -> None:
    broken, models = tmp_path / "broken", [*folders[:2], "./gone"]
    shutil.copytree(folders[2], broken)
    (broken / "config.json").write_text((broken / "config.json").read_text().replace("silu", "no such activation"))
    names = ", ".join(f"'{name}'" for name in [*models, broken])
    (tmp_path / "leaderboard.toml").write_text(f"[[models]]\nnames = [{names}]\n[measure]\nwindows = 4\nseq_len = 16\n")
    build = ("leaderboard", "build", "leaderboard.toml")
    shares = [program(*build, "--measure", "--shard", f"{share}/2") for share in (1, 2)]
    assert shares[1].returncode == 2
    for _ in range(2):  # the second finds what the first has left
        done = program(*build)
        assert done.returncode == 2 and "4 models" in done.stdout and "2 measured" in done.stdout
        _, few, *failures = done.stderr.splitlines()
        gone, failed = sorted(failures)
        assert few == "shape-audit: 2 models were measured on 4 windows: no intervals, which need 6"
        assert gone == "shape-audit: ./gone: no such folder" and failed.startswith("shape-audit: broken: ")
    assert program("leaderboard", "render").returncode == 0 and program("leaderboard", "verify").returncode == 0

    shutil.rmtree(broken)
    shutil.copytree(folders[2], broken)
    record = shape_audit.audit(str(broken), windows=4, seq_len=16, records=tmp_path / "leaderboard" / "records")
    done = program(*build)
    assert record.interaction and "3 measured" in done.stdout and "broken" not in done.stderr


def test_a_hub_out_of_reach_of_the_shares_is_no_reason_to_forget_them(
    tmp_path: Path, tiny_llama: Path, program: Program, hub: LoopbackHub
) -> None:
    hub.add_model("org/name", {path.name: path.read_bytes() for path in tiny_llama.iterdir()})
    (tmp_path / "leaderboard.toml").write_text(
        "[[models]]\nnames = ['org/name']\n[measure]\nwindows = 4\nseq_len = 16\n"
    )
    hub.fault(StatusFor(503), on="GET /api/models/")
    build = ("leaderboard", "build", "leaderboard.toml", "--retries", "0")
    assert program(*build, "--measure", "--shard", "1/1", HF_ENDPOINT=hub.endpoint).returncode == 2
    hub.clear_faults()
    for _ in range(2):
        done = program(*build, HF_ENDPOINT=hub.endpoint)
        assert done.returncode == 2 and "org/name: the Hub answered HTTP 503" in done.stderr
    done = program(*build, "--measure", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0 and "1 measured" in done.stdout
    assert program(*build, HF_ENDPOINT=hub.endpoint).returncode == 0


def test_a_measurement_that_did_not_converge_is_not_made_again(tmp_path: Path, folders: list[Path]) -> None:
    text = tmp_path / "mine.txt"
    text.write_text("the shape of a model " * 200)
    measure = {"seq_len": 16, "tolerance": 0.0001, "dataset": str(text)}
    ours = manifest(folders[:1], measure=measure)
    board, audited = built(ours, tmp_path / "board", measure=True)
    measured = board.rows[0].measured
    assert len(audited) == 1 and measured and measured.windows == text.stat().st_size // (12 * 16)
    assert built(ours, tmp_path / "board", measure=True) == (board, []), "the text holds no more"
    with text.open("a") as file:
        file.write("and more of it " * 200)
    assert built(ours, tmp_path / "board", measure=True)[1] == audited


def test_nor_where_the_text_is_one_of_the_hub(
    tmp_path: Path, tiny_llama: Path, program: Program, hub: LoopbackHub
) -> None:
    pytest.importorskip("datasets")
    hub.add_dataset("org/text", {"test.jsonl": json.dumps({"text": "the shape of a model " * 200}).encode()})
    (tmp_path / "leaderboard.toml").write_text(
        f"[[models]]\nnames = ['{tiny_llama}']\n[measure]\ndataset = 'org/text'\nseq_len = 16\ntolerance = 0.0001\n"
    )

    def measured() -> list[tuple[str, int]]:
        done = program("leaderboard", "build", "leaderboard.toml", "--measure", HF_ENDPOINT=hub.endpoint)
        assert done.returncode == 0, done.stderr
        return [(path.name, path.stat().st_mtime_ns) for path in (tmp_path / "leaderboard" / "records").iterdir()]

    first = measured()
    assert len(first) == 1 and first[0][0].endswith("__w21.json") and measured() == first


def test_a_share_that_went_well_ends_well(tmp_path: Path, folders: list[Path], program: Program) -> None:
    names = ", ".join(f"'{folder}'" for folder in folders[:3])
    (tmp_path / "m.toml").write_text(f"[[models]]\nnames = [{names}]\n")
    done = program("leaderboard", "build", "m.toml", "--shard", "2/3")
    assert done.returncode == 0 and "2 not audited" in done.stdout, done.stderr
    assert "has not been audited yet" not in done.stderr


def test_a_strangers_folder_is_left_alone(tmp_path: Path, program: Program) -> None:
    (tmp_path / "README.md").write_text("mine")
    done = program("leaderboard", "build", "-o", ".")
    assert done.returncode == 4 and "no leaderboard, but has README.md" in done.stderr
    assert (tmp_path / "README.md").read_text() == "mine"


def test_init_writes_what_ships_and_never_over_a_file(tmp_path: Path, program: Program) -> None:
    assert program("leaderboard", "init").returncode == 0
    assert read_manifest(tmp_path / "leaderboard.toml") == read_manifest()
    again = program("leaderboard", "init")
    assert again.returncode == 4 and "is there already" in again.stderr
    assert {*os.listdir(tmp_path)} - {"hf_home"} == {"leaderboard.toml"}


def test_a_result_file_that_cannot_be_used_ends_the_build_only_if_strict(tmp_path: Path, program: Program) -> None:
    (tmp_path / "results_cut.json").write_text(json.dumps(letters())[:200])
    (tmp_path / "leaderboard.toml").write_text(
        "[[models]]\nnames = ['builtin:bytes-1m']\n[scores]\nfiles = ['results_cut.json']\n"
    )
    done = program("leaderboard", "build", "leaderboard.toml")
    assert done.returncode == 0 and "results_cut.json" in (tmp_path / "leaderboard" / "board.json").read_text()
    strict = program("leaderboard", "build", "leaderboard.toml", "--strict")
    assert strict.returncode == 2 and "results_cut.json" in strict.stderr and strict.stderr.count("\n") == 1
