"""A figure of a model: what its blocks do, over how much of the width its sites use, by relative depth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shape_audit.drawing import write_drawings
from shape_audit.records import AuditRecord, record_file_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[float | None, tuple[float, float] | None]]


def write_use_figure(record: AuditRecord, folder: Path) -> list[Path]:
    """Write the figure of a measured record as PNG and SVG into a folder (made where absent); returns their paths.

    They are called as its record file is, so that another revision or measurement has a figure beside it.

    Raises:
        OSError: the folder cannot be written to.
        MissingExtraError: matplotlib is not installed.
    """
    return write_drawings({f"{Path(record_file_name(record)).stem}__use": partial(_figure, record)}, folder)


def _figure(record: AuditRecord) -> Figure:
    from matplotlib.figure import Figure  # not pyplot: a notebook's backend stays what it is

    figure = Figure(figsize=(7, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_depth(above, record)
    _draw_width(below, record)
    shape = record.shape
    figure.suptitle(f"{record.model.repo_id}: {shape.num_hidden_layers} layers on {shape.hidden_size:,}",
                    parse_math=False)  # fmt: skip
    return figure


def _draw_depth(axes: Axes, record: AuditRecord) -> None:
    blocks = record.use.blocks if record.use else []
    x = [(i + 0.5) / len(blocks) for i in range(len(blocks))]
    _draw(axes, x, [(block.block_influence, block.block_influence_ci) for block in blocks], "block influence", "o-")
    _draw(axes, x, [(block.gradient_influence, block.gradient_influence_ci) for block in blocks],
          "gradient influence", "s--")  # fmt: skip
    if record.use is not None and record.use.summary is not None:
        loss = record.use.summary.nats_per_token
        skipped: Points = [
            (
                None if block.skip_loss is None else block.skip_loss / loss,
                None if block.skip_loss_ci is None else (block.skip_loss_ci[0] / loss, block.skip_loss_ci[1] / loss),
            )
            for block in blocks
        ]
        _draw(axes, x, skipped, "rise of the loss without the block, of the loss", "^:")
        axes.axhline(0.01, color="0.7", linewidth=0.8)
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(bottom=min(axes.dataLim.y0, 0) - 0.01)  # a block that lowers the loss when left out is below 0
    axes.set_ylabel("what a block does")
    axes.legend(frameon=False, fontsize=8)


def _draw_width(axes: Axes, record: AuditRecord) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

    depth, width = record.shape.num_hidden_layers, record.shape.hidden_size
    gradients = {site.name: site for site in (record.interaction.sites if record.interaction else ())}
    at = {"embedding": 0.0} | {f"block.{k}": (k + 1) / depth for k in range(depth)}
    names = [name for name in gradients if name in at]
    _draw(axes, [at[name] for name in names],
          [_share(gradients[name].effective_rank, gradients[name].effective_rank_ci, width) for name in names],
          "gradients: effective rank", "o-")  # fmt: skip
    sites = (record.use.sites if record.use else None) or []
    x = [at[site.name] for site in sites]
    stream: Points = [
        _share(site.activation_effective_rank, site.activation_effective_rank_ci, width) for site in sites
    ]
    _draw(axes, x, stream, "stream: effective rank", "s--")
    _draw(axes, x, [_share(site.functional_rank, site.functional_rank_ci, width) for site in sites],
          "active and matter: functional rank", "^:")  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("share of the width")
    axes.set_xlabel("relative depth: 0 the embedding, 1 the output of the last block")
    axes.legend(frameon=False, fontsize=8)


def _share(
    value: float | None, interval: tuple[float, float] | None, width: int
) -> tuple[float | None, tuple[float, float] | None]:
    if value is None:
        return None, None
    return value / width, None if interval is None else (interval[0] / width, interval[1] / width)


def _draw(axes: Axes, x: Sequence[float], points: Points, label: str, style: str) -> None:
    known = [
        (at, value, ends or (value, value)) for at, (value, ends) in zip(x, points, strict=True) if value is not None
    ]
    if not known:
        return
    places, values = [at for at, _, _ in known], [value for _, value, _ in known]
    bars = [
        [max(value - ends[0], 0) for _, value, ends in known],
        [max(ends[1] - value, 0) for _, value, ends in known],
    ]
    axes.errorbar(places, values, bars, fmt=style, label=label, markersize=4, linewidth=1, capsize=2)
