"""Texts that lie here: plain files, tables, compressed ones, and the documentation every CPython carries."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shape_audit.calibration.text import check_size
from shape_audit.errors import CorruptFileError, UsageError

_PACKERS: dict[str, Callable[..., BinaryIO]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # type: ignore[dict-item]
_MARKS = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),
          (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))  # fmt: skip
_PIECE = 2**20


def python_docs() -> Iterator[str]:
    """The topics of `pydoc_data` in sorted key order: a try-out text that differs between Python releases."""
    from pydoc_data import topics

    return (topics.topics[key] for key in sorted(topics.topics))


def kind_of(path: Path) -> str | None:
    """The ending that says how a file is read (a key of `READERS` or `.txt`), compressed or not; None for others."""
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    if endings and endings[-1] in _PACKERS:
        endings = [ending for ending in endings[:-1] if ending != ".parquet"]  # which compresses by itself
    return endings[-1] if endings and endings[-1] in (".txt", *READERS) else None


def plain_text(path: Path) -> bytes:
    """A UTF-8 file, byte by byte."""
    content = bytearray()
    with _opened(path) as stream:
        while piece := stream.read(_PIECE):
            content += piece
            check_size(content)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: not UTF-8 ({_said_of(content, error.start)}); convert it first") from error
    return bytes(content)


def _said_of(content: bytes | bytearray, where: int) -> str:
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    return f"byte {where:,}; its first bytes say {encoding}" if encoding else f"byte {where:,}"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked.

    Raises:
        CorruptFileError: it cannot be unpacked.
        OSError: it cannot be read.
    """
    opener = _PACKERS.get(path.suffix.lower())
    try:
        with opener(path, "rb") if opener else path.open("rb") as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise CorruptFileError(f"{path}: damaged, it cannot be unpacked") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise CorruptFileError(f"{path}: no {path.suffix.lower()} file, or a damaged one") from error


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
        with _opened(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
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


def separated_rows(path: Path, column: str) -> Iterator[str | None]:
    """The fields of a column of a .csv or .tsv file, whose first row names the columns."""
    delimiter = "\t" if kind_of(path) == ".tsv" else ","
    limit = csv.field_size_limit(2**31 - 1)  # a document is one field
    try:
        with _opened(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, delimiter=delimiter, strict=True)
            names = next(rows, [])
            if column not in names:
                raise no_such_column(str(path), column, names, holds_other=False)
            at = names.index(column)
            for row in rows:
                if row and len(row) != len(names):
                    raise CorruptFileError(
                        f"{path}: line {rows.line_num} has {len(row)} fields, not {len(names)}; are fields with a "
                        f"{'tab' if delimiter != ',' else 'comma'} in double quotes?"
                    )
                if row:
                    yield row[at]
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: not UTF-8; convert it first") from error
    except csv.Error as error:
        raise CorruptFileError(f"{path}: not a table with double quotes around its fields ({error})") from error
    finally:
        csv.field_size_limit(limit)


def no_such_column(where: str, column: str, texts: list[str], *, holds_other: bool) -> UsageError:
    """The error for a column that is not there, or is no text; it lists those that are."""
    what = f"column {column} holds no text" if holds_other else f"no column {column}"
    return UsageError(f"{where}: {what}; text columns are: {', '.join(texts) or 'none'}")


READERS: dict[str, Callable[[Path, str], Iterator[str | None]]] = {
    ".jsonl": jsonl_rows,
    ".parquet": parquet_rows,
    ".csv": separated_rows,
    ".tsv": separated_rows,
}
"""Ending -> reader of a table."""
