"""Figures of a yardstick: what its shapes cost beside its law, and what their training takes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shape_audit.drawing import write_drawings
from shape_audit.records import YardstickReport

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

R_DW = "R_D/W = layers / hidden size"
MOST_NAMED = 10
"""Budgets that a legend holds."""


def write_yardstick_figures(report: YardstickReport, folder: Path) -> list[Path]:
    """Write the figures, each as PNG and SVG, into a folder (made where absent); returns their paths.

    Raises:
        OSError: the folder cannot be written to.
        MissingExtraError: matplotlib is not installed.
    """
    drawings = {"cost_against_r_dw": partial(_cost, report)}
    if report.time_elasticity is not None:
        drawings["training_time_against_r_dw"] = partial(_time, report)
    return write_drawings(drawings, folder)


def _figure() -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(7.5, 5), layout="constrained")


def _plain_ticks(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 on a logarithmic axis: a scan is too narrow for powers of ten alone."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _cost(report: YardstickReport) -> Figure:
    """Each budget's shapes over its best by the law, the law itself, the first of its bands."""
    figure, law = _figure(), report.law
    axes = figure.subplots()
    low, high = report.r_dw_range
    r_dw_K = np.geomspace(low / 1.3, high * 1.3, 200)
    modelled_K = 100 * np.expm1(law.c * np.log(r_dw_K / law.a_star) ** 2)
    axes.plot(r_dw_K, modelled_K, color="black", linewidth=1.5, label=f"law, best at {law.a_star:.3g}")
    narrow = report.bands[0]
    axes.axvspan(narrow.low, narrow.high, color="0.92", zorder=0, label=f"costs at most {100 * narrow.loss_excess:g} %")
    for number, group in enumerate(report.groups):
        ratios = np.array([shape.r_dw for shape in group.shapes])
        logs = np.log1p([shape.loss_excess for shape in group.shapes])
        above = logs - np.mean(logs - law.c * np.log(ratios / law.a_star) ** 2)  # the budget's level is the law's
        label = group.name if len(report.groups) <= MOST_NAMED else None
        axes.plot(ratios, 100 * np.expm1(above), "o", color=f"C{number % 10}", markersize=5, label=label)
    axes.set_xscale("log")
    _plain_ticks(axes.xaxis)
    axes.set_xlabel(R_DW)
    axes.set_ylabel("loss above the best shape's, %")
    axes.set_title(f"{report.name}: at equal {report.basis} parameters", fontsize=10, parse_math=False)
    axes.legend(fontsize=8)
    return figure


def _time(report: YardstickReport) -> Figure:
    figure = _figure()
    axes = figure.subplots()
    for group in report.groups:
        timed = [(shape.r_dw, shape.seconds_per_mtoken) for shape in group.shapes if shape.seconds_per_mtoken]
        axes.plot(*zip(*timed, strict=True), "o-", markersize=5, label=group.name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_ticks(axes.xaxis)
    _plain_ticks(axes.yaxis)
    axes.set_xlabel(R_DW)
    axes.set_ylabel("device-seconds per million training tokens")
    axes.set_title(f"{report.name}: what training takes", fontsize=10, parse_math=False)
    axes.legend(fontsize=8)
    return figure
