"""Does the best shape move with the length of training? Eight shapes of 300k parameters, two seeds, three lengths.

Trains the sweep where it is not trained yet (a trunk a shape and seed, a decay a length; it resumes after any
interruption), and reports what `shape-audit interval` finds in its table. Beside it stand the three sweeps of the zoo
(results/zoo: one seed, a cosine made for each length). With `--save` table and figures are kept in
results/sweep_lengths. One thread: OMP_NUM_THREADS=1.

    .venv/bin/python benchmarks/sweep_lengths.py [--output build/lengths] [--data FOLDER] [--save]
    .venv/bin/python benchmarks/sweep_lengths.py --trained      # of an interrupted sweep, what is there
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.reporting import ROOT, heading, publish
from benchmarks.zoo import n_gram_ce
from shape_audit.interval.lengths import best_against_length
from shape_audit.interval.sweep_table import Lengths, read_budgets
from shape_audit.records import BestAgainstLength, IntervalDerivation, SweepRow
from shape_audit.reports import interval_sentence, interval_sureness
from shape_audit.reports.lengths import lengths_lines, lengths_table
from shape_audit.reports.markdown_tables import markdown_table
from shape_audit.sweep import OutputFolder, SweepOptions, conclude_sweep, plan_shapes, run_sweep
from shape_audit.sweep.bytes_data import read_data
from shape_audit.sweep.table import read_table

KEPT = ROOT / "benchmarks" / "results" / "sweep_lengths"
ZOO = {1.0: "table_1_byte_a_parameter.csv", 6.0: "table_6_bytes_a_parameter.csv", 60.0: "table.csv"}
BUDGET, TOLERANCE, DRAWS = 300_000, 0.02, 2000
Cells = dict[tuple[int, int], list[SweepRow]]


def options_of(data: str, output: Path) -> SweepOptions:
    """Depths of which the budget has a width with several heads; a thousand bytes a step, so that the shortest length
    has 74 steps; a tenth of the test text, since measuring all of it would take as long as training."""
    return SweepOptions(
        params=BUDGET, depths="1,2,3,4,5,6,9,12", tokens_per_param="0.25,0.75,2.25", runs=2, data=data, output=output,
        seq_len=128, batch=8, eval_bytes=100_000, windows=16, device="cpu", precision="float32",
    )  # fmt: skip


def by_length(rows: list[SweepRow]) -> dict[float, Cells]:
    """Length -> (layers, width) -> runs."""
    found: dict[float, Cells] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row.tokens_per_param or 0.0][row.num_hidden_layers, row.hidden_size].append(row)
    return dict(sorted(found.items()))


def losses(found: dict[float, Cells]) -> str:
    """A line a shape, a column a length: mean loss, its runs, and how far it lies above the best of the length."""
    heads = " | ".join(f"{length:g} bytes a parameter | above best" for length in found)
    lines = [f"| shape | R_D/W | heads | {heads} |", f"| --- | ---: | ---: |{' --- | ---: |' * len(found)}"]
    means = {
        length: {shape: float(np.mean([row.test_ce for row in runs])) for shape, runs in cells.items()}
        for length, cells in found.items()
    }
    for shape, runs in next(iter(found.values())).items():
        cells = []
        for length, of_shape in found.items():
            there = ", ".join(f"{row.test_ce:.4f}" for row in of_shape.get(shape, []))
            excess = means[length][shape] / min(means[length].values()) - 1 if there else None
            cells.append(f"{there or '–'} | {'–' if excess is None else f'{excess * 100:+.2f} %'}")
        row = runs[0]
        lines.append(
            f"| {shape[0]} × {shape[1]} | {row.r_dw:.4f} | {row.num_attention_heads} × {row.head_dim} "
            f"| {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def noise(found: dict[float, Cells]) -> list[str]:
    """What a seed moves, beside what a shape moves, at each length."""
    lines = ["| bytes a parameter | s.d. between seeds | s.d. between shapes |", "| ---: | ---: | ---: |"]
    for length, cells in found.items():
        pairs = [[row.test_ce for row in runs] for runs in cells.values() if len(runs) > 1]
        best = min(np.mean([row.test_ce for row in runs]) for runs in cells.values())
        seeds = f"{np.sqrt(np.mean([np.var(pair, ddof=1) for pair in pairs])) / best * 100:.2f} %" if pairs else "–"
        shapes = float(np.std([np.mean([row.test_ce for row in runs]) for runs in cells.values()], ddof=1))
        lines.append(f"| {length:g} | {seeds} | {shapes / best * 100:.2f} % |")
    return lines


def trained_minutes(rows: list[SweepRow], options: SweepOptions) -> float:
    """Of all trainings, each trunk once: a line's seconds are those of its trunk too."""
    share = {
        (shape.num_hidden_layers, shape.tokens_per_param): shape.trained_steps / shape.steps
        for shape in plan_shapes(options)[0]
    }
    return sum(row.train_seconds * share[row.num_hidden_layers, row.tokens_per_param or 0.0] for row in rows) / 60


def against_length(found: BestAgainstLength | None) -> list[str]:
    assert found is not None, "a table of one length"
    return [markdown_table(lengths_table(found, TOLERANCE)), *lengths_lines(found)]


def zoo() -> BestAgainstLength | None:
    """The same of the zoo's sweeps, whose lengths have no trunk in common."""
    folder = ROOT / "benchmarks" / "results" / "zoo"
    lengths: Lengths = {BUDGET: {length: read_budgets(folder / name)[BUDGET] for length, name in ZOO.items()}}
    return best_against_length(lengths, TOLERANCE, draws=DRAWS, seed=0)


def missing(rows: list[SweepRow], options: SweepOptions) -> list[str]:
    """What an interrupted sweep lacks, a line a seed."""
    there = {(row.num_hidden_layers, row.tokens_per_param, row.seed) for row in rows}
    lines = []
    for seed in options.seeds:
        lacks = [
            f"{shape.num_hidden_layers} ({shape.tokens_per_param:g})"
            for shape in plan_shapes(options)[0]
            if (shape.num_hidden_layers, shape.tokens_per_param, seed) not in there
        ]
        if lacks:
            lines.append(f"Not trained when this was written, seed {seed}: layers (length) {', '.join(lacks)}.")
    return lines


def report(rows: list[SweepRow], options: SweepOptions, derivation: IntervalDerivation) -> str:
    found = by_length(rows)
    text = read_data(options.data, seq_len=options.seq_len)
    grams = ", ".join(f"{n_gram_ce(text, n):.2f}" for n in (1, 2, 3))
    parts = [
        heading("The best shape against the length of training: 300k parameters"),
        f"{len(rows)} models, {options.batch * options.seq_len:,} bytes a step, one thread: "
        f"{trained_minutes(rows, options):.0f} minutes of training on a machine shared with other work. Losses in nats "
        f"per byte over {rows[0].test_bytes:,} bytes of the test text (books that no model was trained on); byte "
        f"n-grams of one, two and three bytes, counted on the training text, reach {grams} on all of it. **300k is below the "
        "budgets the interval is derived from: this shows the tool, not the law.**",
        *missing(rows, options),
        losses(found),
        "Seeds stand beside each other. Above best: of the means, against the best of the length.",
        "## What a seed moves",
        "\n".join(noise(found)),
        *against_length(derivation.lengths),
        "## At the longest length",
        f"{interval_sentence(derivation)} {' '.join(interval_sureness(derivation))}",
        "## The zoo: three sweeps of one seed, a cosine each",
        *against_length(zoo()),
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "lengths")
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "materials" / "corpus"))
    parser.add_argument("--trained", action="store_true", help="train nothing, report what is there")
    parser.add_argument("--save", action="store_true")
    asked = parser.parse_args()
    options = options_of(asked.data, asked.output)
    if not asked.trained:
        run_sweep(options)
    rows = read_table(OutputFolder(asked.output).table)
    derivation, files = conclude_sweep(asked.output)
    pictures = ""
    if asked.save:
        KEPT.mkdir(parents=True, exist_ok=True)
        kept = [file for file in files if file.suffix == ".png" and "length" in file.stem]
        for file in (OutputFolder(asked.output).table, *kept):
            shutil.copy(file, KEPT / file.name)
        pictures = "\n".join(f"![{file.stem}](sweep_lengths/{file.name})" for file in kept)
    publish(__file__, f"{report(rows, options, derivation)}\n\n{pictures}")


if __name__ == "__main__":
    main()
