"""What a sweep comes to: the interval and the law its table gives, as a file for `check` and `audit`, and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shape_audit.errors import IncompleteError, MissingExtraError
from shape_audit.interval import derive_interval
from shape_audit.records import IntervalDerivation, SweepRow, write_text_atomically
from shape_audit.sweep.output_folder import OutputFolder
from shape_audit.sweep.table import read_table
from shape_audit.yardsticks import with_yardstick, write_yardstick_figures


def conclude_sweep(folder: str | Path) -> tuple[IntervalDerivation, list[Path]]:
    """Derive the interval from a sweep's table; write interval.json, and figures where matplotlib is installed.

        derivation, files = shape_audit.conclude_sweep("sweep")

    Args:
        folder: of `run_sweep`; all budgets of its table count, small ones too.

    Returns:
        The derivation at the default tolerance, and the files written.

    Raises:
        IncompleteError: there is no table yet, or the folder cannot be written to.
        CorruptFileError: the table is damaged.
    """
    from shape_audit.interval import write_figures

    home = OutputFolder(folder)
    rows = read_table(home.table)
    if not rows:
        raise IncompleteError(f"{home.table}: no model has been finished yet")
    found = with_yardstick(derive_interval(home.table), home.table)
    name = home.path.resolve().name
    names = {"name": f"sweep {name}, {found.tolerance * 100:g} %", "source": f"sweep {name} ({_extent(rows)})"}
    derivation = found.model_copy(update=names)
    try:
        write_text_atomically(home.interval, derivation.model_dump_json(indent=2) + "\n")
        figures = write_figures(derivation, home.table, home.figures)
        if derivation.yardstick is not None:
            figures += write_yardstick_figures(derivation.yardstick, home.figures)
    except MissingExtraError:
        figures = []
    except OSError as error:
        raise IncompleteError(f"{home.path}: {error.strerror or error}") from error
    return derivation, [home.interval, *figures]


def _extent(rows: Sequence[SweepRow]) -> str:
    """What the sweep rests on, in a few words that go wherever the interval goes."""
    shapes = {(row.target_params, row.num_hidden_layers, row.hidden_size) for row in rows}
    budgets = sorted({row.target_params for row in rows})
    ends = "-".join(f"{params / 1e6:g}M" for params in dict.fromkeys((budgets[0], budgets[-1])))
    lengths = sorted({row.tokens_per_param or row.tokens / row.target_params for row in rows})
    times = ", ".join(f"{length:.3g}" for length in lengths)
    return f"{len(rows)} runs of {len(shapes)} shapes, {ends} parameters, {times} bytes a parameter"
