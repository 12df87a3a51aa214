"""The sweep's table: one line a model, written anew as each is finished. `shape-audit interval` reads it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.records import (
    AuditRecord,
    PlannedShape,
    SiteInteraction,
    SweepRow,
    read_small_file,
    write_text_atomically,
)
from shape_audit.sweep.evaluation import Evaluation

COLUMNS = tuple(SweepRow.model_fields)
LATER = frozenset(name for name, field in SweepRow.model_fields.items() if not field.is_required())
"""Columns that tables of earlier versions lack."""


def model_name(shape: PlannedShape, seed: int) -> str:
    """The name of a model's folder: everything that tells it from the others of its sweep."""
    return f"{trunk_name(shape, seed)}-t{shape.tokens_per_param:g}"


def trunk_name(shape: PlannedShape, seed: int) -> str:
    """The name of what all lengths of a shape and seed share."""
    return f"p{shape.target_params}-l{shape.num_hidden_layers}-d{shape.hidden_size}-s{seed}"


def row_of(shape: PlannedShape, seed: int, family: str, training: Mapping[str, Any], found: Evaluation) -> SweepRow:
    """The line of a model.

    Args:
        training: what `model_folder.TRAINING_FILE` holds.
    """
    planned = shape.model_dump(exclude={"seconds", "trained_steps"})
    return SweepRow.model_validate(
        planned
        | {"name": model_name(shape, seed), "seed": seed, "family": family}
        | dict(training)
        | {
            "val_ce": found.val_ce,
            "test_ce": found.test_ce,
            "test_bytes": found.test_bytes,
            "wtw_aofe_ratio": found.wtw_aofe_ratio,
            "revision": found.loss_gradient.model.revision,
        }
        | _loss_gradient(found.loss_gradient)
        | _projected_output(found.projected_output)
    )


def read_table(path: Path) -> list[SweepRow]:
    """The lines of a sweep's table, none where there is no file.

    Raises:
        CorruptFileError: it is not the table of a sweep, or was changed to something else.
    """
    if not path.exists():
        return []
    try:
        reader = csv.DictReader(io.StringIO(read_small_file(path).decode("utf-8"), newline=""))
        found = reader.fieldnames or ()
        if tuple(found) != tuple(name for name in COLUMNS if name in found or name not in LATER):
            raise CorruptFileError(f"{path}: not the table of this version's `sweep run` (other columns)")
        return [_read_row(line) for line in reader]
    except (ValidationError, UnicodeDecodeError, csv.Error) as error:
        raise CorruptFileError(f"{path}: not the table of a sweep any more; was it edited by hand?") from error


def write_table(path: Path, rows: Sequence[SweepRow]) -> None:
    """Write all lines, in order.

    Raises:
        IncompleteError: the file cannot be written; the one before is still there.
    """
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in in_order(rows):
        writer.writerow(row.model_dump())
    try:
        write_text_atomically(path, stream.getvalue())
    except OSError as error:
        raise IncompleteError(f"{path}: the table could not be written ({error.strerror or error})") from error


def in_order(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """By budget, length, depth and seed."""
    return sorted(
        rows, key=lambda row: (row.target_params, row.tokens_per_param or 0.0, row.num_hidden_layers, row.seed)
    )


def _read_row(line: Mapping[str, str]) -> SweepRow:
    """A line, each cell by its column's type; an empty cell is null. (JSON mode: "3" is a number, 3.0 no count.)"""
    return SweepRow.model_validate_json(json.dumps({name: value or None for name, value in line.items()}))


def _loss_gradient(record: AuditRecord) -> dict[str, Any]:
    assert record.interaction is not None
    sites = record.interaction.sites
    embedding, last = sites[0], sites[-1]
    ratios = [site.aofe_ratio for site in sites]
    known = [ratio for ratio in ratios if ratio is not None]
    return {
        "loss_gradient_windows": record.interaction.windows_used,
        "loss_gradient_embedding_aofe": embedding.aofe,
        **_ends("loss_gradient_embedding_aofe", embedding.aofe_ci),
        "loss_gradient_embedding_aofe_ratio": embedding.aofe_ratio,
        **_ends("loss_gradient_embedding_aofe_ratio", embedding.aofe_ratio_ci),
        "loss_gradient_embedding_aofe_ratio_plugin": embedding.aofe_ratio_plugin,
        **_against_chance("loss_gradient_embedding", embedding),
        "loss_gradient_last_aofe": last.aofe,
        "loss_gradient_last_aofe_ratio": last.aofe_ratio,
        **_ends("loss_gradient_last_aofe_ratio", last.aofe_ratio_ci),
        **_against_chance("loss_gradient_last", last),
        "loss_gradient_mean_aofe_ratio": sum(known) / len(known) if len(known) == len(ratios) else None,
    }


def _against_chance(prefix: str, site: SiteInteraction) -> dict[str, Any]:
    return {
        f"{prefix}_effective_rank": site.effective_rank,
        f"{prefix}_aofe_ratio_random_basis": site.aofe_ratio_random_basis,
        f"{prefix}_aofe_ratio_excess": site.aofe_ratio_excess,
        **_ends(f"{prefix}_aofe_ratio_excess", site.aofe_ratio_excess_ci),
        f"{prefix}_channel_alignment": site.channel_alignment,
        **_ends(f"{prefix}_channel_alignment", site.channel_alignment_ci),
    }


def _projected_output(record: AuditRecord) -> dict[str, Any]:
    assert record.interaction is not None
    (output,) = record.interaction.sites
    return {
        "projected_output_windows": record.interaction.windows_used,
        "projected_output_aofe": output.aofe,
        **_ends("projected_output_aofe", output.aofe_ci),
        "projected_output_aofe_ratio": output.aofe_ratio,
        **_ends("projected_output_aofe_ratio", output.aofe_ratio_ci),
        "projected_output_aofe_ratio_plugin": output.aofe_ratio_plugin,
    }


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}
