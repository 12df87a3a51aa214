"""Writes the data of the shipped yardsticks, and what is derived from it: the laws, in shape_audit/data/yardsticks/,
and the efficient interaction interval of the reference sweep, shape_audit/data/shipped_interval.json.

    scripts/make_yardsticks.py [FOLDER]     # of curated sweeps; without one, these are derived anew from what is there

The folder holds gemstones_models.csv, gemstones_losses.csv, other_sweeps.csv and sources.csv. What the laws need is
kept: no benchmarks, losses of one run in one line.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shape_audit.interval import derive_interval
from shape_audit.interval.interval_file import SHIPPED_INTERVAL
from shape_audit.records import Interval
from shape_audit.shipped import DATA as SHIPPED
from shape_audit.yardsticks.law_files import write_laws

DATA = SHIPPED / "yardsticks"
GEMSTONES = (
    "model", "budget_group", "depth", "width", "vocab_size", "params_total", "params_non_embedding", "num_gcds",
    "gcd_seconds_per_mtoken", "source",
)  # fmt: skip
MORPH = ("budget_group", "variant", "depth", "width", "params_total", "params_non_embedding", "tokens", "value",
         "source")  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(name: str, columns: tuple[str, ...], rows: list[dict[str, str]]) -> set[str]:
    """A CSV file of these columns; returns the keys of its sources."""
    with (DATA / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return {row["source"] for row in rows}


def curves(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """One line for each model, run and evaluation set, its checkpoints in order."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        found[row["run"], row["eval_set"], row["model"], row["source"]].append(row)
    lines = []
    for (run, eval_set, model, source), of_curve in sorted(found.items()):
        of_curve.sort(key=lambda row: int(row["step"]))
        line = {"run": run, "eval_set": eval_set, "model": model, "source": source}
        line["steps"] = " ".join(row["step"] for row in of_curve)
        line["losses"] = " ".join(row["loss"] for row in of_curve)
        line["suspect_steps"] = " ".join(row["step"] for row in of_curve if row["suspect"])
        lines.append(line)
    return lines


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        used = write("gemstones_models.csv", GEMSTONES, rows_of(folder / "gemstones_models.csv"))
        used |= write(
            "gemstones_losses.csv",
            ("run", "eval_set", "model", "source", "steps", "losses", "suspect_steps"),
            curves(rows_of(folder / "gemstones_losses.csv")),
        )
        others = rows_of(folder / "other_sweeps.csv")
        used |= write("morph.csv", MORPH, [row for row in others if row["study"] == "morph"])
        sources = [row for row in rows_of(folder / "sources.csv") if row["source"] in used]
        write("sources.csv", ("source", "location", "git_object", "licence", "what"), sources)
    write_laws()
    derived = Interval(**derive_interval(draws=0).model_dump(include=set(Interval.model_fields)))
    SHIPPED_INTERVAL.write_text(derived.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
