"""A board as a table: parquet for programs, CSV for people with spreadsheets. The same board, the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from shape_audit.escaping import csv_cell
from shape_audit.records import Board, BoardRow, ScoreRecord, SiteInteraction
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

Value = Callable[[BoardRow], Any]


def columns(board: Board) -> dict[str, tuple[str, Value]]:
    """Column -> (kind, its value in a row): text, integer, number, boolean, texts or numbers."""
    found: dict[str, tuple[str, Value]] = {name: ("text", _field(name)) for name in ("model", "revision", "group")}
    found |= {name: ("integer", _field(name)) for name in INTEGERS}
    found["tie_word_embeddings"] = ("boolean", _field("tie_word_embeddings"))
    found |= {name: ("number", _field(name)) for name in NUMBERS}
    found |= {name: ("text", _field(name)) for name in TEXTS if name not in found}
    for protocol in board.protocols:
        found |= _score_columns(protocol)
    found |= _measured_columns()
    return found


def parquet_bytes(board: Board) -> bytes:
    """The table with its types; lists hold the profile over sites."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: Mapping[str, pa.DataType] = {
        "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
        "texts": pa.list_(pa.string()), "numbers": pa.list_(pa.float64()),
    }  # fmt: skip
    table = pa.table(
        {
            name: pa.array([value(row) for row in board.rows], type=kinds[kind])
            for name, (kind, value) in columns(board).items()
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def csv_text(board: Board) -> str:
    """The table without its lists. Numbers in full; a text that a spreadsheet would compute gets a quote before it."""
    cell_of = {"text": csv_cell, "boolean": lambda value: str(value).lower(), "integer": repr, "number": repr}
    flat = {name: (cell_of[kind], value) for name, (kind, value) in columns(board).items() if kind in cell_of}
    cells = [
        ["" if found is None else cell(found) for found in map(value, board.rows)] for cell, value in flat.values()
    ]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(flat)
    writer.writerows(zip(*cells, strict=True))
    return stream.getvalue()


def _field(name: str) -> Value:
    return attrgetter(name)


def _score_columns(protocol: str) -> dict[str, tuple[str, Value]]:
    """Of one protocol: the score where there is one, or where several agree; else nothing, and how many there are."""

    def field(name: str) -> Value:
        return lambda row: getattr(score, name) if (score := agreed_score(row, protocol)) else None

    def residual(row: BoardRow) -> float | None:
        score = agreed_score(row, protocol)
        return score.among_size.residual if score and score.among_size else None

    def at_floor(row: BoardRow) -> bool | None:
        score = agreed_score(row, protocol)
        return score.value <= FLOOR if score else None

    prefix = f"score[{protocol}]"
    return {
        prefix: ("number", field("value")),
        f"{prefix}.stderr": ("number", field("stderr")),
        f"{prefix}.n": ("integer", field("n")),
        f"{prefix}.residual": ("number", residual),
        f"{prefix}.at_floor": ("boolean", at_floor),
        f"{prefix}.source": ("text", field("source")),
        f"{prefix}.known": ("integer", lambda row: len(scores_of(row, protocol))),
    }


def scores_of(row: BoardRow, protocol: str) -> list[ScoreRecord]:
    """The scores of one protocol."""
    return [score for score in row.scores if score.protocol == protocol]


def agreed_score(row: BoardRow, protocol: str) -> ScoreRecord | None:
    """The score of a protocol, if all that are known of it are equal."""
    scores = scores_of(row, protocol)
    return scores[0] if scores and len({score.value for score in scores}) == 1 else None


def _measured_columns() -> dict[str, tuple[str, Value]]:
    def of_all(name: str) -> Value:
        return lambda row: getattr(row.measured, name) if row.measured else None

    def of_first(name: str) -> Value:
        return lambda row: getattr(row.measured.sites[0], name) if row.measured and row.measured.sites else None

    def end(value: Value, which: int) -> Value:
        return lambda row: ends[which] if (ends := value(row)) else None

    def of_sites(value: Callable[[SiteInteraction], Any]) -> Value:
        return lambda row: [value(site) for site in row.measured.sites] if row.measured else None

    found: dict[str, tuple[str, Value]] = {
        f"measured.{name}": (kind, of_all(name))
        for name, kind in (
            ("protocol", "text"), ("protocol_hash", "text"), ("dataset", "text"), ("text_sha256", "text"),
            ("seq_len", "integer"), ("windows", "integer"), ("bits_per_byte", "number"),
            ("cheap_blocks", "integer"), ("functional_share", "number"),
        )
    }  # fmt: skip
    for which, word in enumerate(("low", "high")):
        found[f"measured.bits_per_byte.{word}"] = ("number", end(of_all("bits_per_byte_ci"), which))
    for name in SITE_NUMBERS:
        found[f"first_site.{name}"] = ("number", of_first(name))
        for which, word in enumerate(("low", "high")):
            found[f"first_site.{name}.{word}"] = ("number", end(of_first(f"{name}_ci"), which))
    found["sites"] = ("texts", of_sites(lambda site: site.name))
    for name in SITE_NUMBERS:
        found[f"sites.{name}"] = ("numbers", of_sites(lambda site, name=name: getattr(site, name)))  # type: ignore[misc]
    return found


def read_back(content: bytes) -> Sequence[Mapping[str, Any]]:
    """The rows of a parquet table that this file has written."""
    import pyarrow.parquet as pq

    rows: Sequence[Mapping[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows
