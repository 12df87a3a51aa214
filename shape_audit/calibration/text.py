"""Calibration texts: a .txt file, a column of a .parquet file, or the documentation every CPython carries."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError

PYTHON_DOCS = "builtin:python-docs"


@dataclass(frozen=True)
class CalibrationText:
    """A text and where it came from.

    Attributes:
        dataset: the name it goes by in records: `builtin:...` or the file's name.
        content: its UTF-8 bytes.
        column: of a table, the column it was read from.
    """

    dataset: str
    content: bytes
    config: str | None = None
    revision: str | None = None
    split: str | None = None
    column: str | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def read_text(dataset: str = PYTHON_DOCS, *, column: str | None = None) -> CalibrationText:
    """Read a calibration text.

    Args:
        dataset: `builtin:python-docs`, or the path of a .txt (UTF-8, taken byte by byte) or .parquet file.
        column: the text column of a .parquet file; `text` where it is not given.

    Raises:
        UsageError: no such built-in text, an ending this cannot read, or a column that is not there.
        IncompleteError: the file cannot be read, or the column is empty.
        CorruptFileError: not UTF-8, not parquet.
    """
    if dataset == PYTHON_DOCS:
        return CalibrationText(dataset=PYTHON_DOCS, content=_python_docs())
    if dataset.startswith("builtin:"):
        raise UsageError(f"{dataset}: no such built-in text; there is {PYTHON_DOCS}")
    path = Path(os.path.expanduser(dataset))
    if not path.is_file():
        raise IncompleteError(f"{dataset}: no such file; --dataset takes {PYTHON_DOCS}, a .txt or a .parquet file")
    if path.suffix == ".parquet":
        column = column or "text"
        return CalibrationText(dataset=path.name, content=_parquet_column(path, column), column=column)
    if path.suffix == ".txt":
        if column is not None:
            raise UsageError(f"{dataset}: --text-column is for .parquet files")
        return CalibrationText(dataset=path.name, content=_plain_text(path))
    raise UsageError(f"{dataset}: not a .txt or .parquet file")


def _lines_joined(rows: Iterable[str | None]) -> bytes:
    """Rows in order, each that does not end in a line end getting one; null rows are left out."""
    return b"".join(
        (row if row.endswith(("\n", "\r")) else row + "\n").encode("utf-8", "replace")
        for row in rows
        if row is not None
    )


def _python_docs() -> bytes:
    """The topics of `pydoc_data`, in sorted key order: a try-out text that differs between Python releases."""
    from pydoc_data import topics

    return _lines_joined(topics.topics[key] for key in sorted(topics.topics))


def _plain_text(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: not UTF-8 (byte {error.start:,}); convert it first") from error
    return content


def _parquet_column(path: Path, column: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            texts = [
                field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
            ]
            if column not in schema.names:
                raise UsageError(f"{path}: no column {column}; text columns are: {', '.join(texts) or 'none'}")
            if column not in texts:
                raise UsageError(
                    f"{path}: column {column} holds no text; text columns are: {', '.join(texts) or 'none'}"
                )
            content = _lines_joined(
                row for batch in file.iter_batches(columns=[column]) for row in batch.column(0).to_pylist()
            )
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CorruptFileError(f"{path}: not a parquet file, or a damaged one") from error
    if not content.strip():
        raise IncompleteError(f"{path}: column {column} is empty")
    return content
