"""The zoo beside the authors' sweep: does the same shape do well, and what has interaction to do with it?

Reads the table that scripts/train_zoo has made (of several runs a shape, their means), and the authors' rows of 0.3M
and 0.6M parameters. Shapes are matched by their number of layers (widths differ a little, since the authors' models
have other feed-forward and head widths), and once more by R_D/W, the authors' losses interpolated over its logarithm.
Byte n-grams counted on the zoo's training text are the yardstick for both sweeps' losses. With `--shorter`, sweeps of
the same shapes on fewer bytes (scripts/train_zoo --tokens-per-param 6 --output FOLDER) stand beside. With `--save` the
table, the interval it gives and the figures are kept in results/zoo.

    .venv/bin/python benchmarks/zoo.py [--zoo build/zoo] [--data FOLDER] [--shorter FOLDER ...] [--save]
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import sys
from itertools import permutations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.reporting import ROOT, heading, publish
from shape_audit.interval import derive_interval
from shape_audit.interval.ranges import budget_range
from shape_audit.interval.sweep_table import SHIPPED_TABLE, Cell, read_budgets
from shape_audit.records import SweepRow
from shape_audit.reports import interval_markdown
from shape_audit.sweep import conclude_sweep
from shape_audit.sweep.bytes_data import Bytes, SweepText, read_data
from shape_audit.sweep.table import read_table

Codes = NDArray[np.int64]
KEPT = ROOT / "benchmarks" / "results" / "zoo"
BUDGETS = (300_000, 600_000)
TOLERANCE = 0.02
MEASURED = {
    "loss_gradient_embedding_aofe": "AOFE, loss gradient, first block's input",
    "loss_gradient_embedding_aofe_ratio": "AOFE-ratio, loss gradient, first block's input",
    "loss_gradient_last_aofe_ratio": "AOFE-ratio, loss gradient, last block's output",
    "projected_output_aofe": "AOFE, projected output",
    "projected_output_aofe_ratio": "AOFE-ratio, projected output",
    "wtw_aofe_ratio": "AOFE-ratio, WᵀW of the embedding",
}
AUTHORS = {
    "projected_output_aofe": "aofe",
    "projected_output_aofe_ratio": "aofe_ratio",
    "wtw_aofe_ratio": "wtw_aofe_ratio",
}
"""Our column -> theirs."""


def authors(budget: int) -> dict[int, dict[str, float]]:
    """Depth -> row of the authors' table."""
    with SHIPPED_TABLE.open() as stream:
        rows = [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(stream)]
    return {int(row["num_hidden_layers"]): row for row in rows if row["target_params"] == budget}


def shapes_of(table: Path) -> tuple[list[SweepRow], int]:
    """The zoo's shapes, each with the means of its runs, and how many runs a shape has at most."""
    runs: dict[tuple[int, int], list[SweepRow]] = {}
    for row in read_table(table):
        runs.setdefault((row.num_hidden_layers, row.hidden_size), []).append(row)
    if len(runs) < 3 or {row.target_params for rows in runs.values() for row in rows} != {BUDGETS[0]}:
        raise SystemExit(f"{table}: not a sweep of 300k parameters with three shapes or more; see scripts/train_zoo")
    if unknown := [str(depth) for depth, _ in runs if any(depth not in authors(budget) for budget in BUDGETS)]:
        raise SystemExit(f"{table}: the authors have no shape of {', '.join(unknown)} layers to compare with")
    found = []
    for rows in runs.values():
        means = {name: [getattr(row, name) for row in rows] for name in ("test_ce", *MEASURED)}
        if unknown := [name for name, values in means.items() if None in values]:
            raise SystemExit(f"{table}: {rows[0].name} has no {unknown[0]}")
        found.append(rows[0].model_copy(update={name: float(np.mean(values)) for name, values in means.items()}))
    return found, max(map(len, runs.values()))


def spearman(x: list[float], y: list[float]) -> tuple[float, float]:
    """Rank correlation, and its exact two-sided p: over all orders of one of them, which eight shapes allow."""
    a, b = rankdata(x), rankdata(y)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt((a @ a) * (b @ b))
    rho = float(a @ b / scale)
    orders = np.array(list(permutations(b))) @ a / scale
    return rho, float((np.abs(orders) >= abs(rho) - 1e-12).mean())


def said(x: list[float], y: list[float]) -> str:
    if min(len(set(x)), len(set(y))) == 1:
        return "–"
    rho, p = spearman(x, y)
    return f"{rho:+.2f} (p {p:.3f})" if p >= 0.001 else f"{rho:+.2f} (p < .001)"


def at_equal_r_dw(rows: list[SweepRow], theirs: dict[int, dict[str, float]]) -> list[float]:
    """The authors' losses where the zoo's R_D/W lie, linear in its logarithm (held constant beyond their scan)."""
    scanned = sorted((row["num_hidden_layers"] / row["hidden_size"], row["test_ce"]) for row in theirs.values())
    x, y = np.array(scanned).T
    return [float(np.interp(math.log(row.r_dw), np.log(x), y)) for row in rows]


def best(cells: list[Cell]) -> str:
    """The best shape of a budget, and the range of R_D/W within 2 % of it."""
    found, first = budget_range(BUDGETS[0], cells, TOLERANCE), min(cells, key=lambda cell: cell.loss)
    edge = ", an edge of the scan" if first in (cells[0], cells[-1]) else ""
    return (
        f"{first.num_hidden_layers} × {first.hidden_size} (R_D/W {first.r_dw:.4f}{edge}); within 2 %: {found.within} "
        f"of {found.shapes}, {found.low:.4f} to {found.high:.4f}"
    )


def n_gram_ce(text: SweepText, n: int) -> float:
    """Nats per byte on the test text, of n-grams counted on the training text (each byte seen 1 / 256 more)."""

    def codes(part: Bytes) -> Codes:
        found = np.zeros(len(part) - n + 1, np.int64)
        for place in range(n):
            found = found * 256 + part[place : len(found) + place]
        return found

    counts = np.bincount(codes(text.train), minlength=256**n).reshape(-1, 256) + 1 / 256
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log(shares.reshape(-1)[codes(text.test)]).mean())


def spread(rows: list[SweepRow], column: str) -> str:
    """Of a quantity over the shapes: its range, and the widest half of a 95 % interval."""
    values = [getattr(row, column) for row in rows]
    written = f"{min(values):.4g} to {max(values):.4g}"
    if f"{column}_low" not in SweepRow.model_fields:
        return written
    halves = [(getattr(row, f"{column}_high") - getattr(row, f"{column}_low")) / 2 for row in rows]
    return f"{written}, ±{max(halves):.2g}"


def trained_less(tables: list[Path], whole: list[SweepRow]) -> list[str]:
    """The same shapes after fewer bytes, each sweep with a schedule of its own: is it the stage that decides?"""
    sweeps = [shapes_of(table)[0] for table in tables] + [whole]
    sweeps.sort(key=lambda rows: rows[0].tokens)
    losses = [{row.num_hidden_layers: row.test_ce for row in rows} for rows in sweeps]
    depths = [row.num_hidden_layers for row in whole]
    if any(list(of_sweep) != depths for of_sweep in losses):
        raise SystemExit("--shorter: not the depths of the zoo")
    heads = " | ".join(f"{rows[0].tokens / rows[0].target_params:.3g} bytes a parameter" for rows in sweeps)
    lines = ["## Trained less", "", "The same shapes, recipe and text on fewer bytes; the last column is the zoo.", "",
             f"| layers | {heads} |", f"| ---: |{' ---: |' * len(sweeps)}"]  # fmt: skip
    for depth in depths:
        lines.append(f"| {depth} | {' | '.join(f'{of_sweep[depth]:.4f}' for of_sweep in losses)} |")
    for budget in BUDGETS:
        by_depth = [authors(budget)[depth]["test_ce"] for depth in depths]
        cells = " | ".join(said(list(of_sweep.values()), by_depth) for of_sweep in losses)
        lines.append(f"| Spearman, authors' {budget // 1000}k | {cells} |")
    return [*lines, ""]


def report(table: Path, text: SweepText, shorter: list[Path]) -> str:
    rows, runs = shapes_of(table)
    theirs = {budget: authors(budget) for budget in BUDGETS}
    ours = [row.test_ce for row in rows]
    lines = [
        heading(f"The zoo: {len(rows)} shapes of 300k parameters, and the authors' sweep"),
        f"\n{runs} {'seed' if runs == 1 else 'seeds'} a shape, {rows[0].tokens:,} bytes each of public-domain books "
        f"(theirs: WikiText-103), test text {rows[0].test_bytes:,} bytes. Losses in nats per byte. **300k is below the "
        "budgets the interval is derived from: this shows the tool, not the law.**\n",
        "| layers | zoo | R_D/W | parameters | test | authors 300k | parameters | test | authors 600k | test |",
        "| ---: | --- | ---: | ---: | ---: | --- | ---: | ---: | --- | ---: |",
    ]
    for row in rows:
        small, large = (theirs[budget][row.num_hidden_layers] for budget in BUDGETS)
        lines.append(
            f"| {row.num_hidden_layers} | {row.num_hidden_layers} × {row.hidden_size} | {row.r_dw:.4f} "
            f"| {row.params:,} | {row.test_ce:.4f} | × {small['hidden_size']:.0f} | {small['params']:,.0f} "
            f"| {small['test_ce']:.4f} | × {large['hidden_size']:.0f} | {large['test_ce']:.4f} |"
        )
    grams = ", ".join(f"{n_gram_ce(text, n):.2f}" for n in (1, 2, 3))
    lines += [
        "",
        f"Byte n-grams of one, two and three bytes, counted on the zoo's training text, reach {grams} nats per byte on "
        "its test text. The two sweeps stand at different stages beside that yardstick, and which shape is best may "
        "well depend on the stage" + ("; see the end." if shorter else ": nothing here tells it from the rest."),
    ]
    lines += ["", "## Do the same shapes do well?", "",
              "| Spearman of test losses | by layers | at equal R_D/W |", "| --- | ---: | ---: |"]  # fmt: skip
    for budget in BUDGETS:
        by_depth = [theirs[budget][row.num_hidden_layers]["test_ce"] for row in rows]
        equal = at_equal_r_dw(rows, theirs[budget])
        lines.append(f"| zoo and authors' {budget // 1000}k | {said(ours, by_depth)} | {said(ours, equal)} |")
    both = [[theirs[budget][row.num_hidden_layers]["test_ce"] for row in rows] for budget in BUDGETS]
    lines += [f"| authors' 300k and authors' 600k | {said(*both)} | |", "", "Best shapes:", ""]
    lines.append(f"- zoo: {best(read_budgets(table)[BUDGETS[0]])}")
    lines += [f"- authors' {budget // 1000}k: {best(read_budgets(SHIPPED_TABLE)[budget])}" for budget in BUDGETS]
    sizes = [[theirs[300_000][row.num_hidden_layers]["params"] for row in rows], [row.params for row in rows]]
    lines += [
        "",
        "What differs beside the text: the authors' shapes of 300k miss their budget by up to "
        f"{(1 - min(sizes[0]) / 3e5) * 100:.0f} %, mostly the deep ones (Spearman of parameters and loss "
        f"{said(sizes[0], both[0])}); the zoo's by up to {max(abs(row.miss) for row in rows) * 100:.1f} % "
        f"({said(sizes[1], ours)}). Heads of the authors' models are 4 wide, the zoo's "
        f"{min(row.head_dim for row in rows)} to {max(row.head_dim for row in rows)}.",
        "", "## Test loss and interaction", "",
        "Over the shapes of one sweep. Protocols have a line each and are not to be compared; p is of each number "
        f"alone, and {len(MEASURED)} were looked at. Where the range over the shapes is no wider than an interval, a "
        "rank correlation is of differences that cannot be told from noise.", "",
        "| Spearman with the test loss | zoo | authors' 300k | authors' 600k | zoo: range, widest half-interval |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for column, title in MEASURED.items():
        cells = [said([getattr(row, column) for row in rows], ours)]
        for budget, losses in zip(BUDGETS, both, strict=True):
            name = AUTHORS.get(column)
            values = [theirs[budget][row.num_hidden_layers][name] for row in rows] if name else []
            cells.append(said(values, losses) if name else "–")
        lines.append(f"| {title} | {' | '.join(cells)} | {spread(rows, column)} |")
    if shorter:
        lines += ["", *trained_less(shorter, rows)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, default=ROOT / "build" / "zoo")
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "materials" / "corpus"))
    parser.add_argument("--shorter", type=Path, nargs="*", default=[], metavar="FOLDER",
                        help="sweeps of the same shapes with lower --tokens-per-param")  # fmt: skip
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    table, figures = options.zoo / "table.csv", ""
    text = read_data(options.data, seq_len=256)
    if text.sha256["test"] != json.loads((options.zoo / "sweep.json").read_text())["test_sha256"]:
        raise SystemExit(f"--data {options.data}: not the test text of {options.zoo}")
    found = report(table, text, [folder / "table.csv" for folder in options.shorter])
    if options.save:
        derivation, files = conclude_sweep(options.zoo)
        KEPT.mkdir(parents=True, exist_ok=True)
        for file in (table, *files):
            if file.suffix != ".svg":
                shutil.copy(file, KEPT / file.name)
        figures = "\n".join(f"![{file.stem}](zoo/{file.name})" for file in files if file.suffix == ".png")
    else:
        derivation = derive_interval(table)
    derived = interval_markdown(derivation).replace("# ", "## ", 1)
    publish(__file__, f"{found}\n{derived}\n{figures}")


if __name__ == "__main__":
    main()
