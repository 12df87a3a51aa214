"""The table: its types, what a score column says when scores disagree, cells that would be formulas, determinism."""

import csv
import io
import math
from pathlib import Path

import datasets
import pytest

import shape_audit
from shape_audit.leaderboard import BuildOptions, Manifest, build_leaderboard, read_manifest
from shape_audit.leaderboard.page.dataset_card import dataset_card
from shape_audit.leaderboard.page.tables import csv_text, parquet_bytes
from shape_audit.records import Board, BoardRow
from shape_audit.scores import LM_EVAL_LETTERS, OFFICIAL_COT, published_for
from tests.leaderboard.boards import read_back


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Two measured models, one that failed, and the shipped facts of a family."""
    content = {
        "models": [
            {"group": "ours", "names": ["builtin:bytes-1m", "builtin:books-300k", "./gone"]},
            {"group": "Qwen", "select": {"names": ["Qwen/Qwen2.5-*"]}},
        ],
        "measure": {"windows": 8, "seq_len": 32},
    }
    folder = tmp_path_factory.mktemp("board")
    manifest = Manifest.model_validate(content)
    qwen = Manifest.model_validate(content | {"models": content["models"][:1]})
    build_leaderboard(qwen, folder, BuildOptions(measure=True))
    built = build_leaderboard(manifest, folder)
    assert built is not None
    return built


def test_numbers_are_those_of_the_records(board: Board) -> None:
    rows = {row["model"]: row for row in read_back(parquet_bytes(board))}
    assert len(rows) == len(board.rows)
    record = shape_audit.audit("builtin:bytes-1m", windows=8, seq_len=32)
    found = rows["builtin:bytes-1m"]
    assert record.interaction is not None and record.loss is not None
    first = record.interaction.sites[0]
    assert found["first_site.aofe_ratio"] == first.aofe_ratio and found["sites"][0] == "embedding"
    assert [found["first_site.aofe_ratio.low"], found["first_site.aofe_ratio.high"]] == list(first.aofe_ratio_ci or ())
    assert found["first_site.channel_alignment"] == first.channel_alignment
    assert found["first_site.aofe_ratio_random_basis"] == first.aofe_ratio_random_basis
    assert found["sites.aofe_ratio"] == [site.aofe_ratio for site in record.interaction.sites]
    assert found["r_dw"] == record.shape.r_dw and found["measured.bits_per_byte"] == record.loss.bits_per_byte
    assert rows["./gone"]["failure"] == "no such folder" and rows["./gone"]["r_dw"] is None
    qwen = rows["Qwen/Qwen2.5-7B"]
    assert qwen[f"score[{LM_EVAL_LETTERS}]"] == published_for("Qwen/Qwen2.5-7B")[0].value and qwen["sites"] is None


def test_csv_has_the_same_numbers_in_full(board: Board) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text(board))))
    for line, row in zip(lines, read_back(parquet_bytes(board)), strict=True):
        for name, text in line.items():
            value = row[name]
            if isinstance(value, float):
                assert float(text) == value
            elif isinstance(value, int) and not isinstance(value, bool):
                assert int(text) == value
            else:
                assert text == ("" if value is None else str(value).lower() if isinstance(value, bool) else value)


@pytest.mark.parametrize("start", list("=+-@\t\r"))
def test_no_cell_is_a_formula(board: Board, start: str) -> None:
    hostile = BoardRow(model=f"{start}cmd|'/c calc'!A1", revision=None, group="a\nb", source="none", failure='x,"y"\n')
    text = csv_text(board.model_copy(update={"rows": [hostile]}))
    (line,) = list(csv.DictReader(io.StringIO(text, newline="")))
    assert line["model"].startswith("'") and line["group"] == "a b" and line["failure"].startswith('x,"y"')


def test_scores_that_disagree_are_counted_and_none_is_chosen(board: Board) -> None:
    score = published_for("Qwen/Qwen2.5-7B")[0]
    other = score.model_copy(update={"value": score.value + 0.01, "source": "elsewhere"})
    row = next(row for row in board.rows if row.model == "Qwen/Qwen2.5-7B")
    row = row.model_copy(update={"scores": [score, other]})
    (line,) = read_back(parquet_bytes(board.model_copy(update={"rows": [row]})))
    assert line[f"score[{LM_EVAL_LETTERS}]"] is None and line[f"score[{LM_EVAL_LETTERS}].known"] == 2
    assert line[f"score[{OFFICIAL_COT}].known"] == 0


def test_the_same_board_gives_the_same_bytes(board: Board) -> None:
    again = Board.model_validate_json(board.model_dump_json())
    assert parquet_bytes(again) == parquet_bytes(board) and csv_text(again) == csv_text(board)
    assert dataset_card(again) == dataset_card(board)


def test_datasets_and_the_hub_read_the_folder(board: Board, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    (tmp_path / "README.md").write_text(dataset_card(board))
    (tmp_path / "table.parquet").write_bytes(parquet_bytes(board))
    (tmp_path / "table.csv").write_text(csv_text(board))
    card = DatasetCard.load(tmp_path / "README.md")
    assert card.data.to_dict()["configs"] == [{"config_name": "default", "data_files": "table.parquet"}]
    loaded = datasets.load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["model"][:] == [row.model for row in board.rows]


def test_the_card_is_for_people(board: Board) -> None:
    """Cost and what is measured have columns, what no model has none; numbers as people write them, whole sentences."""
    text = dataset_card(board).replace("\\", "")
    lines = [
        line.split(" | ")
        for line in text.partition("## Models")[2].partition("##")[0].splitlines()
        if line.startswith("| ")
    ]
    head = lines[0]
    assert head[:5] == ["| model", "shape", "params", "R_D/W", "cost"] and "AOFE-ratio" in head
    cells = {line[0]: dict(zip(head, line, strict=True)) for line in lines[2:]}
    row = next(row for row in board.rows if row.model == "builtin:bytes-1m")
    assert row.shape_cost is not None and row.measured is not None
    assert cells["| builtin:bytes-1m"]["params"] == "976k" and cells["| Qwen/Qwen2.5-7B"]["params"] == "7.62B"
    assert cells["| builtin:bytes-1m"]["cost"].startswith(f"{100 * row.shape_cost:.2f} % [")
    assert cells["| builtin:bytes-1m"]["AOFE-ratio"] == f"{row.measured.sites[0].aofe_ratio:.3f}"
    about = text.partition("# ")[2].split("\n\n")[1]
    assert about.endswith(".") and not any(sentence[:1].islower() for sentence in about.split(". "))
    assert "windows" not in about
    bare = [row.model_copy(update={"scores": [], "measured": None}) for row in board.rows]
    plain = dataset_card(board.model_copy(update={"rows": bare, "evidence": []}))
    (line,) = (line for line in plain.splitlines() if line.startswith("| model"))
    assert line == "| model | shape | params | R\\_D/W | cost | placement |"
    shown = [line.split(" | ")[0] for line in plain.splitlines() if line.startswith("| ")][2:]
    costs = {row.model: row.shape_cost for row in bare}
    ordered = sorted(costs, key=lambda name: math.inf if costs[name] is None else costs[name])  # type: ignore[arg-type, return-value]
    assert [name.replace("\\", "").removeprefix("| ") for name in shown] == ordered


def test_markup_in_names_is_text_in_the_card(board: Board) -> None:
    hostile = BoardRow(model="<script>|[x](javascript:y)", revision=None, group="g", source="none", failure="*b*")
    text = dataset_card(board.model_copy(update={"rows": [hostile], "title": "# <b>"}))
    assert "<script>" not in text and "[x](javascript" not in text and "# <b>" not in text


def test_order(tmp_path: Path) -> None:
    built = build_leaderboard(read_manifest().model_copy(update={"order": "r_dw"}), tmp_path)
    assert built is not None
    values = [row.r_dw for row in built.rows]
    assert values == sorted(values)  # type: ignore[type-var]
    by_score = build_leaderboard(read_manifest().model_copy(update={"order": "-score"}), tmp_path)
    assert by_score is not None
    scores = [max((s.value for s in row.scores if s.protocol == LM_EVAL_LETTERS), default=-math.inf)
              for row in by_score.rows]  # fmt: skip
    assert scores == sorted(scores, reverse=True)
