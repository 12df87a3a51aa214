"""Scans of shapes at one number of parameters: does the loss go with interaction as the paper has it?

The claim (abstract of arXiv 2605.27989, and its regime of a high AOFE-ratio at a low AOFE): across shapes of one budget
the loss rises with AOFE and falls with the AOFE-ratio. It holds where the 95 % intervals of both rank correlations say
so, does not hold where one of them lies on the other side of zero, and cannot be told from the scan otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from statistics import mean
from typing import Any

from benchmarks.paper.claim import Outcome, Verdict
from benchmarks.paper.correlation import Correlation, spearman
from benchmarks.paper.published.tables import rows_of
from benchmarks.paper.run import OutOfTime, Run
from benchmarks.paper.training import NetworkShape

WORDS = {
    "aofe": "AOFE",
    "aofe_ratio": "AOFE-ratio",
    "aofe_plugin": "AOFE, plug-in",
    "aofe_ratio_plugin": "AOFE-ratio, plug-in",
    "aofe_ratio_excess": "ratio less a random basis's",
}
CLAIMED = (
    "At a fixed number of parameters, shapes with a lower loss interact more efficiently: loss rises with AOFE and "
    "falls with the AOFE-ratio."
)


@dataclass(frozen=True)
class Scan:
    """What a scan trains.

    Attributes:
        shapes: of one budget.
        seeds: of weights and batches; the data's are the same for all.
        settings: all else that the numbers depend on.
        trained: (shape, seed) -> {"loss": ...} and the numbers of `measuring`.
    """

    shapes: Sequence[NetworkShape]
    seeds: int
    settings: Mapping[str, Any]
    trained: Callable[[NetworkShape, int], dict[str, Any]]


def scan_outcome(run: Run, scan: Scan, notes: Sequence[str]) -> Outcome:
    """Train what is not kept yet, seed by seed, as far as the time goes, and look at the shapes that have a result."""
    found: dict[NetworkShape, list[dict[str, Any]]] = {shape: [] for shape in scan.shapes}
    for seed in range(scan.seeds):
        for shape in scan.shapes:
            name, settings = f"{shape.depth}x{shape.width}-s{seed}", {**asdict(shape), **scan.settings}
            with suppress(OutOfTime):
                found[shape].append(run.piece(name, settings, partial(scan.trained, shape, seed)))
    done = {shape: rows for shape, rows in found.items() if rows}
    counts = [len(rows) for rows in found.values()]
    about = [
        f"{len(done)} of {len(found)} shapes, {min(counts)} to {max(counts)} of {scan.seeds} seeds a shape; intervals "
        "are over shapes, seeds averaged",
        *notes,
    ]
    if len(done) < 2:
        return Outcome("Too few shapes were trained to correlate.", "cannot be told", _table(done), about)
    verdict, found_in_words = verdict_on(
        [mean(row["loss"] for row in rows) for rows in done.values()],
        {name: [mean(row[name] for row in rows) for rows in done.values()] for name in WORDS},
    )
    best = min(done, key=lambda shape: mean(row["loss"] for row in done[shape]))
    found_in_words += f" Lowest loss: {best.depth} x {best.width}, R_D/W {best.r_dw:.4f}."
    return Outcome(found_in_words, verdict, _table(done), about)


def verdict_on(loss: Sequence[float], measured: Mapping[str, Sequence[float]]) -> tuple[Verdict, str]:
    """By the rule above, and the correlations in words: of U-statistics, else of plug-in values."""
    found: dict[str, Correlation] = {name: spearman(values, loss) for name, values in measured.items()}
    energy, ratio = (found[name] if name in found else found[f"{name}_plugin"] for name in ("aofe", "aofe_ratio"))
    verdict: Verdict = "cannot be told"
    if energy.sign > 0 and ratio.sign < 0:
        verdict = "holds"
    elif energy.sign < 0 or ratio.sign > 0:
        verdict = "does not hold"
    words = "; ".join(f"{WORDS[name]} {correlation}" for name, correlation in found.items())
    return verdict, f"Spearman's correlation with the loss: {words}."


def authors_note(table: str) -> str:
    """What the same rule says of the authors' own rows, which are plug-in values."""
    rows = rows_of(table)
    verdict, words = verdict_on(rows["loss"], {"aofe_plugin": rows["aofe"], "aofe_ratio_plugin": rows["aofe_ratio"]})
    return f"the authors' own {len(rows['loss'])} rows by the same rule: {verdict}. {words}"


def _table(done: Mapping[NetworkShape, Sequence[Mapping[str, Any]]]) -> list[list[str]]:
    header = ["depth x width", "R_D/W", "parameters", "loss", "AOFE", "plug-in", "AOFE-ratio", "plug-in",
              "random basis", "effective rank"]  # fmt: skip
    rows = [header]
    for shape, results in done.items():
        loss = mean(row["loss"] for row in results)
        spread = max(row["loss"] for row in results) - min(row["loss"] for row in results)
        means = {
            name: mean(row[name] for row in results)
            for name in ("aofe", "aofe_plugin", "aofe_ratio", "aofe_ratio_plugin", "aofe_ratio_random_basis",
                         "effective_rank")
        }  # fmt: skip
        low, high = results[0]["aofe_ratio_ci"]
        rows.append([
            f"{shape.depth} x {shape.width}", f"{shape.r_dw:.4f}", f"{shape.params:,}",
            f"{loss:.4g} ± {spread / 2:.2g}" if len(results) > 1 else f"{loss:.4g}",
            f"{means['aofe']:.3g}", f"{means['aofe_plugin']:.3g}",
            f"{means['aofe_ratio']:.3f} ± {(high - low) / 2:.3f}", f"{means['aofe_ratio_plugin']:.3f}",
            f"{means['aofe_ratio_random_basis']:.3f}", f"{means['effective_rank']:.1f}",
        ])  # fmt: skip
    return rows
