"""A sweep's plan, and its table, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from shape_audit.escaping import json_text
from shape_audit.records import SweepPlan, SweepRow
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import count, half_width, percent, ratio, rounded_count, significant
from shape_audit.reports.rich_tables import FittedTable, bullets, plain
from shape_audit.reports.tables import Cell, Table


def sweep_plan_text(plan: SweepPlan) -> RenderableType:
    """How much there is to do, the shapes, what is left out and why."""
    parts: list[RenderableType] = [plain(_headline(plan), style="bold"), Text(), FittedTable(_plan_table(plan)), Text()]
    return Group(*parts, *bullets(_warnings(plan)))


def sweep_plan_markdown(plan: SweepPlan) -> str:
    """Markdown with a final line end."""
    lines = "\n".join(f"- {escaped(line)}" for line in _warnings(plan))
    return "\n\n".join([f"# {escaped(_headline(plan))}", markdown_table(_plan_table(plan)), lines]) + "\n"


def sweep_text(rows: Sequence[SweepRow]) -> RenderableType:
    """One line a model, and what the columns are."""
    legend = (plain(line) for line in _legend(rows))
    return Group(FittedTable(_rows_table(rows)), Text(), *legend)


def sweep_markdown(rows: Sequence[SweepRow]) -> str:
    """Markdown with a final line end."""
    return "\n\n".join([markdown_table(_rows_table(rows)), *(escaped(line) for line in _legend(rows))]) + "\n"


def sweep_json(rows: Sequence[SweepRow]) -> str:
    """The lines of the table, a JSON list with a final line end."""
    return json_text([row.model_dump(mode="json") for row in rows])


def duration(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 2.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{significant(seconds / 3600, 2)} h"


def _headline(plan: SweepPlan) -> str:
    models = len(plan.shapes) * len(plan.seeds)  # a shape stands there once a length
    some = "1 model" if models == 1 else f"{models} models"
    time = f", about {duration(plan.seconds)} of training" if plan.seconds is not None else ""
    return f"{some} to train on {plan.data}: {significant(plan.flops)} floating-point operations{time}"


def _plan_table(plan: SweepPlan) -> Table:
    rows = tuple(
        (
            rounded_count(shape.target_params),
            f"{shape.num_hidden_layers} × {shape.hidden_size}",
            f"{shape.r_dw:.4f}",
            str(shape.intermediate_size),
            count(shape.params),
            f"{round(shape.miss * 100, 1) + 0:+.1f} %",
            f"{shape.tokens_per_param:g}",
            count(shape.trained_steps),
            significant(shape.flops * shape.trained_steps / shape.steps),
            "–" if shape.seconds is None else duration(shape.seconds),
        )
        for shape in plan.shapes
    )
    columns = (
        "budget", "shape", "R_D/W", "feed-fwd", "params", "miss", "bytes/param", "steps", "FLOPs", "time"
    )  # fmt: skip
    return Table(f"Shapes ({plan.family}, bytes, windows of {plan.seq_len}, {plan.batch} a step)", columns, rows)


def _warnings(plan: SweepPlan) -> list[str]:
    lines = [
        f"{rounded_count(cell.target_params)} parameters in {cell.num_hidden_layers} layers is left out: {cell.reason}"
        for cell in plan.left_out
    ]
    lines += plan.notes
    if len(plan.seeds) > 1:
        lines.append(f"each shape {len(plan.seeds)} times, seeds {plan.seeds[0]} to {plan.seeds[-1]}")
    lengths = plan.tokens_per_param
    lines.append(
        f"{', '.join(f'{length:g}' for length in lengths)} bytes are predicted for each parameter of the budget; FLOPs "
        "are 6 N a byte and the attention"
    )
    if len(lengths) > 1:
        lines.append(
            "all lengths of a shape and seed share one trunk (warm-up, then a constant learning rate), which each "
            "leaves with a decay over its last fifth; steps, FLOPs and time are those that no shorter length has done"
        )
    rates = sorted({shape.learning_rate for shape in plan.shapes})
    if rates:
        lines.append(
            f"peak learning rate {rates[0]:.2g}" + (f" (the widest) to {rates[-1]:.2g}" if len(rates) > 1 else "")
        )
    if plan.seconds is not None:
        lines.append(
            f"times are from three steps of each shape ({plan.device}, {plan.precision}), measuring not counted"
        )
    return lines


def _rows_table(rows: Sequence[SweepRow]) -> Table:
    cells = tuple(
        (
            rounded_count(row.target_params),
            f"{row.num_hidden_layers} × {row.hidden_size}",
            f"{row.r_dw:.4f}",
            f"{row.tokens_per_param or row.tokens / row.target_params:.3g}",
            str(row.seed),
            f"{row.test_ce:.4f}",
            _used(row),
            _measured(row, "loss_gradient_embedding_channel_alignment"),
            _measured(row, "loss_gradient_embedding_aofe_ratio"),
            _measured(row, "loss_gradient_last_aofe_ratio"),
            _measured(row, "projected_output_aofe_ratio"),
            ratio(row.wtw_aofe_ratio),
        )
        for row in rows
    )
    columns = (
        "budget", "shape", "R_D/W", "bytes/param", "seed", "nats/byte", "used", "alignment", "loss-grad.", "… last",
        "projected", "WᵀW",
    )  # fmt: skip
    return Table("Models", columns, cells)


def _used(row: SweepRow) -> str:
    rank = row.loss_gradient_embedding_effective_rank
    return percent(None if rank is None else rank / row.hidden_size)


def _measured(row: SweepRow, column: str) -> Cell:
    """A quantity, and half of its 95 % interval below it."""
    value, low, high = (getattr(row, column + end) for end in ("", "_low", "_high"))
    return ratio(value) if low is None or high is None else (ratio(value), half_width((low, high)))


def _legend(rows: Sequence[SweepRow]) -> list[str]:
    read = f" of {count(rows[0].test_bytes)} bytes" if rows else ""
    has_intervals = any(row.loss_gradient_embedding_aofe_ratio_low is not None for row in rows)
    below = " Below stands half of the 95 % interval over windows; seeds vary beyond that." if has_intervals else ""
    return [
        f"A shape is layers × width; nats/byte the cross-entropy{read} of the test text; used the share of the width "
        "that loss gradients use at the input of the first block, alignment how far the channels there are from those "
        "of any basis (0; 1: each acts alone). The next four are AOFE-ratios "
        "of different things, never to be compared with each other: loss gradients at the input of the first block and "
        f"the output of the last, projected outputs, and the token embedding's WᵀW.{below}"
    ]
