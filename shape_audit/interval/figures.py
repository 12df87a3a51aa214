"""Figures of a sweep: loss and interaction against R_D/W, and how the best shape goes with the budget and the length.

Interaction is drawn by protocol, a figure each: numbers of two protocols are of different things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shape_audit.drawing import write_drawings
from shape_audit.interval.sweep_table import SHIPPED_TABLE, Budgets, number_in, read_budgets, read_rows
from shape_audit.records import BudgetRange, FittedBest, IntervalDerivation, LengthRange

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADE = "0.9"
R_DW = "R_D/W = layers / hidden size"


class Measured(NamedTuple):
    """The columns of one protocol at one place: `{prefix}aofe` and `{prefix}aofe_ratio`, ends in `_low`, `_high`."""

    name: str
    prefix: str
    title: str


PROTOCOLS = (
    Measured("loss_gradient_embedding", "loss_gradient_embedding_", "loss gradient, at the input of the first block"),
    Measured("loss_gradient_last", "loss_gradient_last_", "loss gradient, at the output of the last block"),
    Measured("projected_output", "projected_output_", "projected output"),
)
AUTHORS = Measured("projected_output", "", "projected output, as the authors computed it (plug-in)")
UNNAMED = Measured("unnamed_protocol", "", "by a protocol that the table does not name")


def write_figures(derivation: IntervalDerivation, table: str | Path | None, folder: Path) -> list[Path]:
    """Write the figures, each as PNG and SVG, into a folder (made where absent); returns their paths.

    Args:
        derivation: what was derived from the table.
        table: the table, None for the shipped one. What it has measured of the interaction is drawn, by protocol.

    Raises:
        OSError: the folder cannot be written to.
        MissingExtraError: matplotlib is not installed.
        UsageError, CorruptFileError, IncompleteError: as `derive_interval`.
    """
    path = Path(table) if table is not None else SHIPPED_TABLE
    asked = [budget.target_params for budget in derivation.budgets]
    points = [_Point.of(row) for row in read_rows(path)]
    points = [point for point in points if point.budget in asked]
    budgets = {budget: cells for budget, cells in read_budgets(path).items() if budget in asked}
    unnamed = AUTHORS if table is None else UNNAMED
    drawings: dict[str, Callable[[], Figure]] = {
        "loss_against_r_dw": partial(loss_figure, derivation, budgets),
    }
    if len(budgets) > 1:
        drawings["best_r_dw_against_params"] = partial(_against_params, derivation)
    lengths = derivation.lengths.ranges if derivation.lengths else []
    for budget in asked:
        ranges = [one for one in lengths if one.range.target_params == budget]
        if len(ranges) > 1:
            drawings[f"best_r_dw_against_length_{_count(budget)}"] = partial(_against_length, derivation, ranges)
    for measured in (*PROTOCOLS, unnamed):
        if any(point.number(f"{measured.prefix}aofe_ratio") is not None for point in points):
            drawings[f"interaction_{measured.name}"] = partial(_interaction, derivation, points, measured)
    return write_drawings(drawings, folder)


class _Point(NamedTuple):
    """A line of the table: a trained model."""

    budget: int
    layers: float
    width: float
    cells: Mapping[str, Any]

    @property
    def r_dw(self) -> float:
        return self.layers / self.width

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Point:
        budget, layers, width = (float(row[name]) for name in ("target_params", "num_hidden_layers", "hidden_size"))
        return cls(int(budget), layers, width, row)

    def number(self, column: str) -> float | None:
        """What stands in a column; None where nothing or no number does."""
        return number_in(self.cells, column)


def loss_figure(derivation: IntervalDerivation, budgets: Budgets) -> Figure:
    """Loss against R_D/W, a line a budget, its best shape a star."""
    figure = _figure(7.5, 5)
    axes = figure.subplots()
    for budget, colour in _colours(derivation).items():
        cells = budgets[budget]
        axes.plot([cell.r_dw for cell in cells], [cell.loss for cell in cells], color=colour, linewidth=1.2, marker="o",
                  markersize=3.5, label=_count(budget))  # fmt: skip
        for cell in cells:
            if len(cell.losses) > 1:
                runs = [cell.r_dw] * len(cell.losses)
                axes.plot(runs, cell.losses, ".", color=colour, markersize=3, alpha=0.5)
        best = min(cells, key=lambda cell: cell.loss)
        axes.plot(best.r_dw, best.loss, marker="*", markersize=11, color=colour, markeredgecolor="black",
                  markeredgewidth=0.6)  # fmt: skip
    _r_dw_axis(axes, [cell.r_dw for cells in budgets.values() for cell in cells])
    _shade(axes, derivation, "vertical")
    axes.set_ylabel("test cross-entropy")
    axes.set_title(
        f"{derivation.name}; star: the best shape of its budget, grey: the interval", fontsize=9, parse_math=False
    )
    _legend(axes)
    return figure


def _interaction(derivation: IntervalDerivation, points: Sequence[_Point], measured: Measured) -> Figure:
    figure = _figure(11, 4.5)
    panels = figure.subplots(1, 2)
    for axes, quantity, label in zip(panels, ("aofe", "aofe_ratio"), ("AOFE", "AOFE-ratio"), strict=True):
        column = f"{measured.prefix}{quantity}"
        for budget, colour in _colours(derivation).items():
            runs = sorted((p for p in points if p.budget == budget), key=lambda point: point.r_dw)
            known = [(p.r_dw, value, p) for p in runs if (value := p.number(column)) is not None]
            if not known:
                continue
            x, y, rows = zip(*known, strict=True)
            of_shape: dict[tuple[float, float], list[float]] = {}
            for value, row in zip(y, rows, strict=True):
                of_shape.setdefault((row.layers, row.width), []).append(value)
            shapes = [layers / width for layers, width in of_shape]
            means = [float(np.mean(values)) for values in of_shape.values()]
            axes.plot(shapes, means, "o-", color=colour, linewidth=1.2, markersize=3.5, label=_count(budget))
            if len(x) > len(shapes):
                axes.plot(x, y, ".", color=colour, markersize=3, alpha=0.5)
            for r_dw, row in zip(x, rows, strict=True):
                low, high = row.number(f"{column}_low"), row.number(f"{column}_high")
                if low is not None and high is not None:
                    axes.plot([r_dw, r_dw], [low, high], color=colour, linewidth=0.8)
        if quantity == "aofe" and axes.lines and min(line.get_ydata().min() for line in axes.lines) > 0:
            axes.set_yscale("log")
        _r_dw_axis(axes, [point.r_dw for point in points])
        _shade(axes, derivation, "vertical")
        axes.set_ylabel(label)
    _legend(panels[-1])
    figure.suptitle(f"{measured.title}; {derivation.source}", fontsize=9, parse_math=False)
    return figure


class _Best(NamedTuple):
    """The best shape somewhere along an axis: of a budget, or after a length of training."""

    at: float
    scanned: BudgetRange
    fitted: FittedBest | None


def _against_params(derivation: IntervalDerivation) -> Figure:
    fitted = {best.target_params: best for best in (derivation.fit.best if derivation.fit else ())}
    points = [_Best(b.target_params, b, fitted.get(b.target_params)) for b in derivation.budgets]
    figure = _best(derivation, points, "fitted a*(N)")
    (axes,) = figure.axes
    axes.set_xticks([point.at for point in points], [_count(point.at) for point in points], fontsize=8)
    _shade(axes, derivation, "horizontal")
    axes.set_xlabel("parameters")
    axes.set_title(derivation.name, fontsize=9, parse_math=False)
    return figure


def _against_length(derivation: IntervalDerivation, ranges: Sequence[LengthRange]) -> Figure:
    points = [_Best(one.tokens_per_param, one.range, one.fitted) for one in ranges]
    figure = _best(derivation, points, "fitted a* of the length")
    (axes,) = figure.axes
    axes.set_xticks([point.at for point in points], [f"{point.at:g}" for point in points], fontsize=8)
    axes.set_xlabel("tokens a parameter")
    budget = _count(ranges[0].range.target_params)
    axes.set_title(f"{derivation.name}; {budget} parameters", fontsize=9, parse_math=False)
    return figure


def _best(derivation: IntervalDerivation, points: Sequence[_Best], fitted: str) -> Figure:
    """R_D/W of best shapes, with the range that is nearly as good and the fit's interval."""
    figure = _figure(7.5, 5)
    axes = figure.subplots()
    for at, scanned, _ in points:
        axes.plot([at, at], [scanned.low, scanned.high], color="0.35", linewidth=1.4, zorder=2)
        for edge, end, marker in (("low", scanned.low, "v"), ("high", scanned.high, "^")):
            axes.plot(at, end, marker if edge in scanned.open_edges else "_", color="0.35", markersize=7, zorder=2)
        axes.plot(at, scanned.best_r_dw, "*", color="black", markersize=10, zorder=4)
    if fits := [(at, found) for at, _, found in points if found]:
        x_P = [at for at, _ in fits]
        style = {"marker": "o", "markerfacecolor": "white", "color": "tab:blue", "linewidth": 1.4, "zorder": 3}
        axes.plot(x_P, [found.r_dw for _, found in fits], label=fitted, **style)  # type: ignore[arg-type]
        ends = [found.r_dw_ci for _, found in fits if found.r_dw_ci]
        if len(ends) == len(x_P):
            axes.fill_between(x_P, *zip(*ends, strict=True), color="tab:blue", alpha=0.15, linewidth=0, zorder=1)  # type: ignore[arg-type]
    axes.plot([], [], "*", color="black", markersize=10, label="best scanned shape")
    axes.plot([], [], "_-", color="0.35", label=f"within {derivation.tolerance * 100:g} % (arrow: end of the scan)")
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_ticks(axes.yaxis, [end for _, scanned, _ in points for end in (scanned.low, scanned.high)])
    axes.minorticks_off()
    axes.set_ylabel(R_DW)
    axes.legend(frameon=False, fontsize=8, loc="upper left")  # "best" warns where a loaded machine is slow
    return figure


def _figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; not pyplot's, so that a notebook's backend stays what it is."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _shade(axes: Axes, derivation: IntervalDerivation, direction: str) -> None:
    """The interval, up to the edge of the finished plot where it is open; nothing where it is empty."""
    if derivation.is_empty or len(derivation.open_edges) == 2:
        return
    is_vertical = direction == "vertical"
    span, ends = (axes.axvspan, axes.get_xlim()) if is_vertical else (axes.axhspan, axes.get_ylim())
    span(derivation.low or ends[0], derivation.high or ends[1], color=SHADE, linewidth=0, zorder=0)
    if is_vertical:
        axes.set_xlim(ends)
    else:
        axes.set_ylim(ends)


def _colours(derivation: IntervalDerivation) -> dict[int, Any]:
    import matplotlib

    budgets = [budget.target_params for budget in derivation.budgets]
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(budgets)))
    return dict(zip(budgets, shades, strict=True))


def _r_dw_axis(axes: Axes, r_dw: Sequence[float]) -> None:
    axes.set_xscale("log")
    _plain_ticks(axes.xaxis, r_dw)
    axes.minorticks_off()
    axes.set_xlabel(R_DW)


def _plain_ticks(axis: Any, values: Sequence[float]) -> None:
    ticks = [step * 10.0**power for power in range(-5, 2) for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if min(values) / 1.5 < tick < max(values) * 1.5]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])


def _legend(axes: Axes) -> None:
    axes.legend(title="parameters", frameon=False, fontsize=8, title_fontsize=8, loc="upper left",
                bbox_to_anchor=(1.01, 1))  # fmt: skip


def _count(params: float) -> str:
    return f"{params / 1e6:g}M" if params >= 1e6 else f"{params / 1e3:g}k"
