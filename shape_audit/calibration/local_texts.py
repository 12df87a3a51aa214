"""Texts that lie here: plain files, tables, and the documentation every CPython carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from shape_audit.calibration.text import MAX_LOCAL_BYTES
from shape_audit.errors import CorruptFileError, UsageError
from shape_audit.records import read_small_file


def python_docs() -> Iterator[str]:
    """The topics of `pydoc_data` in sorted key order: a try-out text that differs between Python releases."""
    from pydoc_data import topics

    return (topics.topics[key] for key in sorted(topics.topics))


def plain_text(path: Path) -> bytes:
    """A UTF-8 file, byte by byte."""
    content = read_small_file(path, limit=MAX_LOCAL_BYTES)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: not UTF-8 (byte {error.start:,}); convert it first") from error
    return content


def parquet_rows(path: Path, column: str) -> Iterator[str | None]:
    """The rows of a text column of a .parquet file, in file order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            fields = {field.name: field.type for field in file.schema_arrow}
            texts = [name for name, kind in fields.items() if _is_text(kind)]
            if column not in texts:
                raise no_such_column(str(path), column, texts, holds_other=column in fields)
            for batch in file.iter_batches(columns=[column]):
                yield from batch.column(0).to_pylist()
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: column {column} is not UTF-8") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CorruptFileError(f"{path}: not a parquet file, or a damaged one") from error


def _is_text(kind: object) -> bool:
    import pyarrow as pa

    value = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value))


def jsonl_rows(path: Path, column: str) -> Iterator[str | None]:
    """The values of a key of a .jsonl file (one JSON object a line), in file order; empty lines are left out."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise CorruptFileError(f"{path}: line {number} is not a JSON object")
                value = row.get(column)
                if column not in row or not (value is None or isinstance(value, str)):
                    texts = [key for key, other in row.items() if isinstance(other, str)]
                    raise no_such_column(f"{path}: line {number}", column, texts, holds_other=column in row)
                yield value
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not JSON Lines in UTF-8") from error


def no_such_column(where: str, column: str, texts: list[str], *, holds_other: bool) -> UsageError:
    """The error for a column that is not there, or is no text; it lists those that are."""
    what = f"column {column} holds no text" if holds_other else f"no column {column}"
    return UsageError(f"{where}: {what}; text columns are: {', '.join(texts) or 'none'}")


READERS: dict[str, Callable[[Path, str], Iterator[str | None]]] = {".parquet": parquet_rows, ".jsonl": jsonl_rows}
"""Ending -> reader of a table."""
