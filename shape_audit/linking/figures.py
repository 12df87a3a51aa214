"""Two figures of the evidence: score against R_D/W with the interval shaded, and score given size against the distance.

Readable in grey: inside and outside differ by the marker's form and filling, not by colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shape_audit.linking.evidence import columns_of_size, residuals
from shape_audit.linking.points import Point
from shape_audit.records import LinkEvidence
from shape_audit.scores import CHANCE

FORMATS = ("png", "svg")
TICKS = (0.003, 0.006, 0.01, 0.02, 0.04, 0.065, 0.1)


def write_figures(evidence: LinkEvidence, points: Sequence[Point], folder: Path) -> list[Path]:
    """Write both, each as PNG and SVG, into a folder (made where absent); returns their paths.

    Raises:
        OSError: the folder cannot be written to.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # not pyplot: a notebook's backend stays what it is

    folder.mkdir(parents=True, exist_ok=True)
    points = [point for point in points if evidence.with_floor or not point.is_at_floor]
    score = 100 * np.array([point.score for point in points])
    r_dw = np.array([point.r_dw for point in points])
    inside = np.array([point.is_inside for point in points])
    size = columns_of_size(points)
    distance = np.array([point.predictors["log_distance"] for point in points])
    written = []
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "shape-audit", "font.size": 10}):
        for name, x, y, xlabel, ylabel in (
            ("score_against_r_dw", r_dw, score, "R_D/W = layers / hidden size", "MMLU-Pro accuracy, %"),
            ("residual_against_distance", distance, 100 * residuals(score / 100, size), "log-distance to the interval",
             "points above what size predicts"),
        ):  # fmt: skip
            figure = Figure(figsize=(7, 4.5), layout="constrained")
            axes = figure.subplots()
            areas = 20 + 60 * (size - size.min()) / max(float(np.ptp(size)), 1e-9)
            axes.scatter(x[~inside], y[~inside], areas[~inside], facecolors="none", edgecolors="black", linewidths=0.8,
                         label="outside")  # fmt: skip
            axes.scatter(
                x[inside], y[inside], areas[inside], facecolors="black", marker="D", linewidths=0, label="inside"
            )
            if name == "score_against_r_dw":
                axes.set_xscale("log")
                low, high = evidence.interval.low, evidence.interval.high
                axes.axvspan(low or r_dw.min() / 2, high or r_dw.max() * 2, color="0.88", zorder=0)
                axes.axhline(100 * CHANCE, color="black", linestyle=":", linewidth=1)
                axes.text(1.01, 100 * CHANCE, "guessing", va="center", fontsize=8,
                          transform=axes.get_yaxis_transform())  # fmt: skip
                ticks = [tick for tick in TICKS if x.min() / 1.5 < tick < x.max() * 2]
                axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                axes.minorticks_off()
            else:
                axes.axhline(0, color="black", linewidth=0.8)
            axes.set_xlabel(xlabel)
            axes.set_ylabel(ylabel)
            axes.set_title(f"{len(points)} models, {evidence.protocol}; larger marks, more parameters", fontsize=9,
                           parse_math=False)  # fmt: skip
            axes.legend(frameon=False)
            for form in FORMATS:
                path = folder / f"{name}.{form}"
                figure.savefig(path, dpi=150, metadata={"Date": None} if form == "svg" else None)
                written.append(path)
    return written
