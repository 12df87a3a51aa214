"""`leaderboard verify` and `diff`: nothing to say of an honest folder, one line of each thing that was changed."""

import json
import shutil
from pathlib import Path

import pytest

from shape_audit.leaderboard import (
    BuildOptions,
    Manifest,
    build_leaderboard,
    differences,
    read_board,
    remeasure,
    render,
    verify,
)
from shape_audit.records import AuditRecord, read_record, sealed
from tests.conftest import Program

OURS = {"names": ["builtin:bytes-1m", "builtin:books-300k"]}
QWEN = {"select": {"names": ["Qwen/Qwen2.5-*"]}}
CONTENT = {"models": [OURS, QWEN], "measure": {"windows": 8, "seq_len": 32}}
MEASURED = CONTENT | {"models": [OURS]}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    build_leaderboard(Manifest.model_validate(MEASURED), folder, BuildOptions(measure=True))
    board = build_leaderboard(Manifest.model_validate(CONTENT), folder)
    assert board is not None
    render(board, folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "board")


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_honest_folder_verifies_anywhere(folder: Path, program: Program) -> None:
    assert verify(folder) == []
    done = program("leaderboard", "verify", folder)
    assert done.returncode == 0 and "rows: all as the records give them" in done.stdout


def test_rendering_again_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}
    render(read_board(folder), folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()} == before


def test_each_thing_that_was_changed_is_said(folder: Path, program: Program) -> None:
    board = json.loads((folder / "board.json").read_text())
    row = next(row for row in board["rows"] if row["model"] == "Qwen/Qwen2.5-7B")
    row["r_dw"], row["scores"][0]["value"] = 0.05, 0.9
    (folder / "board.json").write_text(json.dumps(board))
    changed(folder / "table.csv", "builtin:bytes-1m", "builtin:bytes-2m")
    (folder / "README.md").unlink()
    found = verify(folder)
    assert any(line.startswith("Qwen/Qwen2.5-7B: r_dw is 0.05, and should be 0.0078") for line in found)
    assert any(line.startswith("Qwen/Qwen2.5-7B: scores[0].value is 0.9, and should be 0.") for line in found)
    assert "README.md is missing; run shape-audit leaderboard render" in found
    assert any(line.startswith("table.csv is not what board.json gives") for line in found)
    done = program("leaderboard", "verify", folder, "-f", "json")
    assert done.returncode == 1 and json.loads(done.stdout)["findings"] == found


def test_rows_added_lost_or_doubled(folder: Path) -> None:
    board = json.loads((folder / "board.json").read_text())
    gone = board["rows"].pop()
    board["rows"].append(board["rows"][0])
    board["rows"].append(board["rows"][1] | {"model": "org/new"})
    (folder / "board.json").write_text(json.dumps(board))
    found = verify(folder)
    assert f"{gone['model']}: its row is missing" in found
    assert f"{board['rows'][0]['model']} has 2 rows" in found
    assert "org/new: a row that neither the manifest nor a record gives" in found


def test_records_edited_by_hand_are_flagged_though_their_hash_was_mended(folder: Path) -> None:
    path = next((folder / "records").glob("builtin-bytes-1m*"))
    record = read_record(path)
    changed(path, '"dataset": "builtin:python-docs"', '"dataset": "builtin:other"')
    assert any("its content does not fit its record_sha256" in line for line in verify(folder))
    assert record.interaction is not None
    site = record.interaction.sites[0].model_copy(update={"aofe_ratio": 0.5})
    profile = record.interaction.model_copy(update={"sites": [site, *record.interaction.sites[1:]]})
    path.write_text(sealed(record.model_copy(update={"interaction": profile})).model_dump_json(by_alias=True))
    found = verify(folder)
    old, new = (one.interaction.sites[0].aofe_ratio for one in (record, read_record(path)) if one.interaction)
    assert new == 0.5 and f"builtin:bytes-1m: measured.sites[0].aofe_ratio is {old}, and should be 0.5" in found
    assert any("builtin:bytes-1m: record_sha256 is " in line for line in found)


def test_many_changes_in_one_place_are_counted(folder: Path) -> None:
    board = json.loads((folder / "board.json").read_text())
    row = next(row for row in board["rows"] if row["model"] == "builtin:bytes-1m")
    for site in row["measured"]["sites"]:
        site["trace"] = 1.0
    (folder / "board.json").write_text(json.dumps(board))
    found = [line for line in verify(folder) if "measured" in line]
    places = [f"builtin:bytes-1m: measured.sites[{number}].trace is 1.0, and should be " for number in range(3)]
    assert [line.startswith(place) for line, place in zip(found, places, strict=False)] == [True] * 3
    assert found[3:] == [f"builtin:bytes-1m: {len(row['measured']['sites']) - 3} more values of measured differ"]


def test_what_a_reader_would_look_for_in_vain_is_said(tmp_path: Path, program: Program) -> None:
    """That there are no figures, and no intervals: when the board is built, and when it is rendered."""
    (tmp_path / "m.toml").write_text('[[models]]\nnames = ["builtin:bytes-1m"]\n[measure]\nwindows = 4\nseq_len = 32\n')
    few = "shape-audit: 1 model was measured on 4 windows: no intervals, which need 6\n"
    built = program("leaderboard", "build", "m.toml", "--measure")
    assert built.returncode == 0 and few in built.stderr
    done = program("leaderboard", "render")
    assert done.returncode == 0 and few in done.stderr and "figures" not in done.stdout
    assert "no figures: 0 models with a score of lm-eval:leaderboard_mmlu_pro@0.1 are left" in done.stderr
    assert "(left out: models without a score of this protocol: 1)" in done.stderr


def invented(folder: Path, **numbers: object) -> AuditRecord:
    """A record with numbers of somebody's own and a hash that fits them."""
    path = next((folder / "records").glob("builtin-bytes-1m*"))
    record = read_record(path)
    assert record.interaction is not None
    site = record.interaction.sites[0].model_copy(update=numbers)
    profile = record.interaction.model_copy(update={"sites": [site, *record.interaction.sites[1:]]})
    record = sealed(record.model_copy(update={"interaction": profile}))
    path.write_text(record.model_dump_json(by_alias=True))
    return record


def test_remeasuring(folder: Path, program: Program) -> None:
    assert remeasure(folder, 5) == ([], 2)
    invented(folder, aofe_ratio=0.85, aofe_ratio_ci=(0.1, 0.99))
    board = build_leaderboard(Manifest.model_validate(CONTENT), folder)
    assert board is not None
    (line,), measured = remeasure(folder, 5)
    assert measured == 2 and "builtin:bytes-1m: aofe_ratio at embedding is 0.8" in line
    assert line.endswith("when measured again, and 0.85 in the record"), "a wide interval is no excuse"
    render(board, folder)
    assert verify(folder) == [], "an invented number that could be holds until it is measured again"
    done = program("leaderboard", "verify", folder, "--remeasure", "2")
    assert done.returncode == 1 and done.stdout.count("\n") == 1


def test_what_no_audit_gives_is_said_whatever_its_hash_says(folder: Path) -> None:
    record = invented(folder, aofe_ratio=7.5)
    assert any("an AOFE-ratio at embedding that cannot be" in line for line in verify(folder))
    path = next((folder / "records").glob("builtin-bytes-1m*"))
    for changes, said in (
        ({"r_dw": 0.5}, "R_D/W is not layers / hidden size"),
        ({"num_hidden_layers": -5}, "a shape that cannot be"),
        ({"hidden_size": 0}, "a shape that cannot be"),
    ):
        shape = record.shape.model_copy(update=changes)
        path.write_text(sealed(record.model_copy(update={"shape": shape})).model_dump_json(by_alias=True))
        assert any(said in line for line in verify(folder))
    assert record.interaction is not None
    none = record.interaction.model_copy(update={"sites": []})
    path.write_text(sealed(record.model_copy(update={"interaction": none})).model_dump_json(by_alias=True))
    assert any("measured at no site" in line for line in verify(folder))


def test_a_lost_record_is_named_first(folder: Path) -> None:
    path = next((folder / "records").glob("builtin-bytes-1m*"))
    path.unlink()
    assert verify(folder)[0] == f"records/{path.name} is missing, the audit of builtin:bytes-1m"


def test_damage_is_a_line(folder: Path, tmp_path: Path, program: Program) -> None:
    (folder / "board.json").write_text("{")
    done = program("leaderboard", "verify", folder)
    assert done.returncode == 1 and "board.json: not a board" in done.stdout
    none = program("leaderboard", "verify", tmp_path / "none")
    assert none.returncode == 2 and none.stderr.count("\n") == 1 and "no board there" in none.stderr
    unmeasured = tmp_path / "unmeasured"
    build_leaderboard(Manifest.model_validate({"models": [QWEN]}), unmeasured)
    again = program("leaderboard", "verify", unmeasured, "--remeasure", "1")
    assert again.returncode == 2 and "no row of this board is measured" in again.stderr


def test_figures_of_earlier_evidence_are_a_fault_and_go_as_the_board_is_rendered(tmp_path: Path) -> None:
    manifest = Manifest(models=[{"names": ["builtin:bytes-1m"]}])
    board = build_leaderboard(manifest, tmp_path)
    assert board is not None and not board.evidence
    render(board, tmp_path)
    (tmp_path / "figures").mkdir()
    for name in ("link.svg", "notes.docx"):
        (tmp_path / "figures" / name).write_text("x")
    assert verify(tmp_path) == [
        "a figure of evidence that board.json does not have; run shape-audit leaderboard render"
    ]
    render(board, tmp_path)
    assert verify(tmp_path) == [] and [path.name for path in (tmp_path / "figures").iterdir()] == ["notes.docx"]


def test_differences(folder: Path, tmp_path: Path, program: Program) -> None:
    board = read_board(folder)
    assert differences(board, board) == []
    first, second, *others = board.rows
    moved = second.model_copy(update={"side": "deep-narrow", "scores": []})
    new = board.model_copy(update={"rows": [moved, *others, first.model_copy(update={"model": "org/new"})]})
    found = differences(board, new)
    assert found[0] == f"- {first.model}: gone" and found[1].startswith("+ org/new: new (")
    assert f"~ {second.model}: placement {second.side} -> deep-narrow" in found
    interval = board.interval.model_copy(update={"low": 0.5})
    changed = [
        second.model_copy(update={"failure": "text.txt: too little text", "group": "new"}),
        *board.rows[2:],
        first,
    ]
    found_more = differences(board, board.model_copy(update={"interval": interval, "title": "Other", "rows": changed}))
    assert f"~ {second.model}: failure none -> text.txt: too little text" in found_more
    assert f"~ {second.model}: group {second.group} -> new" in found_more
    assert f"~ title: {board.title} -> Other" in found_more and any(
        "-> " in line and "[0.500, " in line for line in found_more
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "board.json").write_text(new.model_dump_json())
    done = program("leaderboard", "diff", folder, other)
    assert done.returncode == 0 and done.stdout.splitlines() == found
    assert program("leaderboard", "diff", folder, folder).stdout == "nothing has changed\n"
