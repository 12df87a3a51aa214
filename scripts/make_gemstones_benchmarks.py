"""Writes what `link` knows of Gemstones' benchmarks: data/yardsticks/gemstones_benchmarks.csv and benchmark_tasks.csv.

    scripts/make_gemstones_benchmarks.py FOLDER     # of curated sweeps: gemstones_models, _losses and _benchmarks.csv

One line a model: accuracy (acc_norm) of each task and loss on Dolma's validation text, both means over the last
checkpoints; the tasks with the accuracy of a guess.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "shape_audit" / "data" / "yardsticks"
LAST = 6
"""Checkpoints, 10B tokens apart: the spread between two of them is that of their noise."""
GUESS = {
    "arc_challenge": "0.25", "arc_easy": "0.25", "commonsense_qa": "0.2", "hellaswag": "0.25", "mmlu": "0.25",
    "openbookqa": "0.25", "piqa": "0.5", "siqa": "0.333333", "winogrande": "0.5",
}  # fmt: skip
FACTS = ("model", "budget_group", "depth", "width", "params_total", "params_non_embedding")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(name: str, rows: list[dict[str, str]]) -> None:
    with (DATA / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def mean(values: dict[int, float], steps: list[int]) -> str:
    return f"{sum(values[step] for step in steps) / len(steps):.6f}"


def main(folder: Path) -> None:
    accuracies: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for row in rows_of(folder / "gemstones_benchmarks.csv"):
        if row["metric"] == "acc_norm":
            accuracies[row["model"], row["task"]][int(row["step"])] = float(row["value"])
    losses: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows_of(folder / "gemstones_losses.csv"):
        if (row["run"], row["eval_set"]) == ("main", "dolma_val"):
            losses[row["model"]][int(row["step"])] = float(row["loss"])
    steps = sorted({step for values in accuracies.values() for step in values})[-LAST:]
    write("benchmark_tasks.csv", [{"task": task, "guess": guess} for task, guess in GUESS.items()])
    write("gemstones_benchmarks.csv", [
        {name: row[name] for name in FACTS}
        | {"steps": " ".join(map(str, steps)), "loss": mean(losses[row["model"]], steps)}
        | {task: mean(accuracies[row["model"], task], steps) for task in GUESS}
        for row in rows_of(folder / "gemstones_models.csv")
    ])  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
