"""A board as a table: parquet for programs, CSV for people with spreadsheets. The same board, the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shape_audit.escaping import csv_cell
from shape_audit.records import SAME_SCORE, Board, BoardRow, ScoreRecord
from shape_audit.scores import FLOOR

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = (
    "model", "revision", "group", "family", "kind", "domain", "derived_from", "architecture", "released", "license",
    "license_link", "side", "source", "record", "record_sha256", "failure",
)  # fmt: skip
INTEGERS = (
    "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim",
    "vocab_size", "params_total", "params_non_embedding",
)  # fmt: skip
NUMBERS = ("train_tokens", "r_dw", "log_distance", "shape_cost")
SITE_NUMBERS = (
    "aofe_ratio", "aofe_normalized", "mean_cos2", "effective_rank", "aofe_ratio_random_basis", "aofe_ratio_excess",
    "channel_alignment",
)  # fmt: skip
"""Of the first site, each with its interval; of all sites as lists in parquet."""

Column = tuple[str, list[Any]]
"""What a column holds (text, integer, number, boolean, texts or numbers), and its value in each row."""


def columns(board: Board) -> dict[str, Column]:
    """Every column, with its values in the order of the board."""
    rows = board.rows
    found: dict[str, Column] = {name: ("text", _values(name, rows)) for name in ("model", "revision", "group")}
    found |= {name: ("integer", _values(name, rows)) for name in INTEGERS}
    found["tie_word_embeddings"] = ("boolean", _values("tie_word_embeddings", rows))
    found |= {name: ("number", _values(name, rows)) for name in NUMBERS}
    found |= {name: ("text", _values(name, rows)) for name in TEXTS if name not in found}
    for protocol in board.protocols:
        found |= _score_columns(protocol, rows)
    found |= _measured_columns(rows)
    return found


def parquet_bytes(board: Board) -> bytes:
    """The table with its types; lists hold the profile over sites."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: Mapping[str, pa.DataType] = {
        "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
        "texts": pa.list_(pa.string()), "numbers": pa.list_(pa.float64()),
    }  # fmt: skip
    table = pa.table({name: pa.array(values, type=kinds[kind]) for name, (kind, values) in columns(board).items()})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def csv_text(board: Board) -> str:
    """The table without its lists. Numbers in full; a text that a spreadsheet would compute gets a quote before it."""
    cell_of: dict[str, Callable[[Any], str]] = {
        "text": csv_cell, "boolean": lambda value: str(value).lower(), "integer": repr, "number": repr,
    }  # fmt: skip
    flat = {name: (cell_of[kind], values) for name, (kind, values) in columns(board).items() if kind in cell_of}
    cells = [["" if value is None else cell(value) for value in values] for cell, values in flat.values()]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(flat)
    writer.writerows(zip(*cells, strict=True))
    return stream.getvalue()


def _values(name: str, of: Sequence[object]) -> list[Any]:
    """An attribute of each; None where there is none to ask."""
    return [None if one is None else getattr(one, name) for one in of]


def _score_columns(protocol: str, rows: Sequence[BoardRow]) -> dict[str, Column]:
    """Of one protocol: the score where there is one, or where several agree; else nothing, and how many there are."""
    scores = [agreed_score(row, protocol) for row in rows]
    prefix = f"score[{protocol}]"
    return {
        prefix: ("number", _values("value", scores)),
        f"{prefix}.stderr": ("number", _values("stderr", scores)),
        f"{prefix}.n": ("integer", _values("n", scores)),
        f"{prefix}.residual": ("number", _values("residual", [score and score.among_size for score in scores])),
        f"{prefix}.at_floor": ("boolean", [None if score is None else score.value <= FLOOR for score in scores]),
        f"{prefix}.source": ("text", _values("source", scores)),
        f"{prefix}.known": ("integer", [len(scores_of(row, protocol)) for row in rows]),
    }


def scores_of(row: BoardRow, protocol: str) -> list[ScoreRecord]:
    """The scores of one protocol."""
    return [score for score in row.scores if score.protocol == protocol]


def agreed_score(row: BoardRow, protocol: str) -> ScoreRecord | None:
    """The score of a protocol, if all that are known of it are equal."""
    scores = scores_of(row, protocol)
    values = [score.value for score in scores]
    return scores[0] if scores and max(values) - min(values) <= SAME_SCORE else None


def _measured_columns(rows: Sequence[BoardRow]) -> dict[str, Column]:
    measured = [row.measured for row in rows]
    first = [one.sites[0] if one and one.sites else None for one in measured]
    found: dict[str, Column] = {
        f"measured.{name}": (kind, _values(name, measured))
        for name, kind in (
            ("protocol", "text"), ("protocol_hash", "text"), ("dataset", "text"), ("text_sha256", "text"),
            ("seq_len", "integer"), ("windows", "integer"), ("bits_per_byte", "number"),
            ("cheap_blocks", "integer"), ("functional_share", "number"),
        )
    }  # fmt: skip
    found |= _ends("measured.bits_per_byte", _values("bits_per_byte_ci", measured))
    for name in SITE_NUMBERS:
        found[f"first_site.{name}"] = ("number", _values(name, first))
        found |= _ends(f"first_site.{name}", _values(f"{name}_ci", first))
    for kind, column, name in [
        ("texts", "sites", "name"),
        *(("numbers", f"sites.{name}", name) for name in SITE_NUMBERS),
    ]:
        found[column] = (kind, [None if one is None else _values(name, one.sites) for one in measured])
    return found


def _ends(column: str, intervals: Sequence[Sequence[float] | None]) -> dict[str, Column]:
    """Of intervals: two columns."""
    ends = [interval or (None, None) for interval in intervals]
    return {
        f"{column}.low": ("number", [low for low, _ in ends]),
        f"{column}.high": ("number", [high for _, high in ends]),
    }
