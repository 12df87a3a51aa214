"""The figures of a sweep: which there are, what their axes hold, and that protocols do not meet."""

import csv
from pathlib import Path

import pytest

from shape_audit.errors import MissingExtraError
from shape_audit.interval import derive_interval, write_figures
from shape_audit.interval.figures import loss_figure
from shape_audit.interval.sweep_table import SHIPPED_TABLE, read_budgets
from tests.interval.tables import budget, table

pytest.importorskip("matplotlib", reason="figures need the extra board")


def words(folder: Path, name: str) -> str:
    """The SVG, whose texts are texts."""
    return (folder / f"{name}.svg").read_text()


def test_the_shipped_sweep(tmp_path: Path) -> None:
    files = write_figures(derive_interval(draws=100), None, tmp_path)
    names = {"loss_against_r_dw", "best_r_dw_against_params", "interaction_projected_output"}
    assert {path.name for path in files} == {f"{name}.{form}" for name in names for form in ("png", "svg")}
    assert all(path.stat().st_size > 10_000 for path in files)
    loss = words(tmp_path, "loss_against_r_dw")
    assert all(f">{label}<" in loss for label in ("1M", "2.3M", "10M")) and ">300k<" not in loss  # below --min-params
    assert "as the authors computed it (plug-in)" in words(tmp_path, "interaction_projected_output")
    assert "fitted a*(N)" in words(tmp_path, "best_r_dw_against_params")


def test_each_protocol_has_a_figure_of_its_own(tmp_path: Path) -> None:
    with SHIPPED_TABLE.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["target_params"] == "1000000"]
    prefixes = ("loss_gradient_embedding_", "loss_gradient_last_", "projected_output_")
    for row in rows:
        row |= {f"{prefix}{name}": row[name] for prefix in prefixes for name in ("aofe", "aofe_ratio")}
        row |= {f"{prefix}aofe_ratio_{end}": row["aofe_ratio"] for prefix in prefixes for end in ("low", "high")}
    rows[0]["projected_output_aofe_ratio"] = ""  # not known: left out, the others are drawn
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    files = write_figures(derive_interval(path, draws=100), path, tmp_path / "figures")
    drawn = {file.stem for file in files if file.stem.startswith("interaction_")}
    assert drawn == {f"interaction_{prefix}" for prefix in (*(p[:-1] for p in prefixes), "unnamed_protocol")}
    for stem in drawn:
        titles = ("input of the first block", "output of the last block", "projected output", "does not name")
        assert sum(title in words(tmp_path / "figures", stem) for title in titles) == 1


def test_open_empty_and_seeds_are_drawn_too(tmp_path: Path) -> None:
    for number, rows in enumerate((
        budget(1e6, [5, 5, 5]),  # both ends open
        budget(1e6, [9, 5, 9, 9, 9]) + budget(2e6, [9, 9, 9, 5, 9]),  # empty
        budget(1e6, [9, 5, 5.2, 9]) + budget(1e6, [9, 5.1, 5.2, 9]),  # two seeds
    )):  # fmt: skip
        path = table(tmp_path, rows)
        assert write_figures(derive_interval(path, draws=100), path, tmp_path / str(number))


def test_the_star_is_the_best_shape_where_two_have_one_ratio(tmp_path: Path) -> None:
    path = table(tmp_path, [(1e6, 1, 100, 9.0), (1e6, 2, 100, 5.0), (1e6, 4, 200, 6.0), (1e6, 3, 100, 9.0)])
    derivation = derive_interval(path, draws=100)
    (axes,) = loss_figure(derivation, read_budgets(path)).axes
    (star,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert star.get_xydata().tolist() == [[derivation.budgets[0].best_r_dw, 5.0]] == [[0.02, 5.0]]


def test_a_measured_column_alone_and_a_dollar_are_drawn(tmp_path: Path) -> None:
    rows = [(*row, 0.5) for row in budget(1e6, [9, 5, 5.05, 9])]
    path = table(tmp_path, rows, "target_params,num_hidden_layers,hidden_size,test_ce,aofe_ratio\n")
    path = path.rename(tmp_path / "a$b_{$.csv")
    files = write_figures(derive_interval(path, draws=100), path, tmp_path / "figures")
    assert "interaction_unnamed_protocol.png" in {file.name for file in files}


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"shape-audit\[board\]"):
        write_figures(derive_interval(draws=100), None, tmp_path)
